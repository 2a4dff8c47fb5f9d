use std::{error::Error, fmt, sync::Arc};

use agentmail_verify::VerifyError;

use crate::{
    origin::Origin,
    refusal::Refusal,
    response::{RefusalResponse, RefusalStyle},
    telemetry,
};

/// A refused request: the [`Refusal`], the form of its response, and the path and tenant for the
/// log.
///
/// An adapter logs it once, with [`log`](Self::log), and sends its [`response`](Self::response).
#[derive(Debug, Clone)]
pub struct Rejection {
    refusal: Refusal,
    style: Arc<RefusalStyle>,
    origin: Box<Origin>,
}

impl Rejection {
    pub(crate) fn new(refusal: Refusal, style: Arc<RefusalStyle>, origin: Origin) -> Self {
        Self { refusal, style, origin: Box::new(origin) }
    }

    /// Sets the path of the request for the log, which shows the first 256 bytes of it, escaped.
    ///
    /// A rejection of [`WebhookConfig::receive`](crate::WebhookConfig::receive) or of a
    /// [`Delivery`](crate::Delivery) has its path already.
    #[must_use]
    pub fn with_path(self, path: &str) -> Self {
        Self { origin: Box::new(self.origin.with_path(path)), ..self }
    }

    /// Returns why the request is refused.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// Returns what an operator can do about the refusal.
    ///
    /// It is the hint of the [`Refusal`], with one exception: if the request has the header
    /// `Content-Encoding`, and the signature or the payload is wrong, the hint is about that
    /// header.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self.refusal {
            Refusal::Unverified(VerifyError::Mismatch) if self.origin.has_content_encoding() => {
                "`Content-Encoding` is set: check that no proxy compresses or decompresses the body"
            }
            Refusal::UnexpectedPayload(_) if self.origin.has_content_encoding() => {
                "`Content-Encoding` is set, but the library does not decompress the body"
            }
            _ => self.refusal.hint(),
        }
    }

    /// Returns the response to send. Nothing is logged.
    ///
    /// If the configuration has a [hook](crate::WebhookConfig::with_refusal_response), the hook
    /// sets the response.
    pub fn response(&self) -> RefusalResponse {
        self.style.response(&self.refusal, self.hint(), self.origin.diagnosis_as_json())
    }

    /// Logs the refusal, with the status of its [`response`](Self::response), and reports it to the
    /// [`Observer`](crate::Observer).
    ///
    /// The event has the target `agentmail` and the fields `code`, `status`, `path`, `reason` and
    /// `hint`. It also has `tenant` if a [`Tenant`](crate::Tenant) names an agent, and `error` if a
    /// lookup failed.
    ///
    /// | level | refusals |
    /// | --- | --- |
    /// | debug | a header is missing, duplicated or malformed, except for `unsigned`; copies of a message |
    /// | warn | what an operator may have to act on |
    /// | error | a wrong setup |
    ///
    /// The number of lines above debug is limited, because unauthenticated clients can cause
    /// refusals:
    ///
    /// - Each configuration counts the refusals of each code, minute by minute. Copies of a message
    ///   are not counted.
    /// - The first five refusals of a code in a minute are logged at the level in the table.
    /// - Further refusals of that code are logged at debug.
    /// - After the minute, each code with refusals at debug has one line at warn. Its field `count`
    ///   is the number of all refusals of that `code` in the minute.
    pub fn log(&self) {
        self.style.observers.refused(self.refusal);
        telemetry::refused(self, &self.style.log_limit);
        #[cfg(feature = "diagnose")]
        if let Some(diagnosis) = self.diagnosis() {
            telemetry::diagnosed(diagnosis, &self.origin);
        }
    }

    /// Returns the diagnosis, if the configuration
    /// [asks for one](crate::WebhookConfig::with_diagnosis) and the request was diagnosed.
    #[cfg(feature = "diagnose")]
    #[must_use]
    pub fn diagnosis(&self) -> Option<&crate::diagnosis::Diagnosis> {
        self.origin.diagnosis()
    }

    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// Creates a rejection with the default response: no configuration and no hook apply to it.
impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal, RefusalStyle::shared_default(), Origin::default())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl Error for Rejection {}
