use std::{error::Error, fmt, sync::Arc};

use agentmail_verify::VerifyError;

use crate::{
    origin::Origin,
    refusal::Refusal,
    response::{RefusalResponse, RefusalStyle},
    telemetry,
};

/// A refused request: the [`Refusal`], how the configuration wants the response to look, and what
/// the log says about the request.
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

    /// Sets the path of the request, for the log. The log shows its first 256 bytes, escaped.
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

    /// Returns what an operator can do about it. It names `Content-Encoding` if the request has
    /// that header and the refusal concerns the body.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self.refusal {
            Refusal::Unverified(VerifyError::Mismatch) if self.origin.has_content_encoding() => {
                "the request has a `Content-Encoding`: check that no proxy compresses the body"
            }
            Refusal::UnexpectedPayload(_) if self.origin.has_content_encoding() => {
                "the request has a `Content-Encoding`, and the library decompresses nothing"
            }
            _ => self.refusal.hint(),
        }
    }

    /// Returns the response to send. Nothing is logged.
    ///
    /// The [hook](crate::WebhookConfig::with_refusal_response) of the configuration shapes it.
    pub fn response(&self) -> RefusalResponse {
        self.style.response(&self.refusal, self.hint())
    }

    /// Logs the refusal, with the status of its [`response`](Self::response).
    ///
    /// The event has the target `agentmail` and the fields `code`, `status`, `reason`, `hint`,
    /// `path`, and `tenant` (the agent that a [`Tenant`](crate::Tenant) names).
    ///
    /// | level | refusals |
    /// | --- | --- |
    /// | debug | a header is missing, duplicated or malformed (anyone can cause that); copies of a message |
    /// | warn | what an operator may have to act on |
    /// | error | a wrong setup |
    ///
    /// Unauthenticated clients cannot flood the log at warn: per minute, configuration and code,
    /// the first five lines have the level of the table, and the rest have debug. After that
    /// minute, one line at warn for each such code, and for each code of missing or malformed
    /// headers, says how many there were (`code`, `count`).
    pub fn log(&self) {
        telemetry::refused(self, &self.style.log_limit);
    }

    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// Refuses without a configuration: the body of the response is empty.
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
