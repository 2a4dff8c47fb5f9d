use std::{error::Error, fmt};

use crate::{
    refusal::Refusal,
    response::{RefusalResponse, RefusalStyle},
    telemetry,
};

/// A [`Refusal`], and how its configuration wants the response to look.
///
/// An adapter logs it once, with [`log`](Self::log), and sends its [`response`](Self::response).
#[derive(Debug, Clone)]
pub struct Rejection {
    refusal: Refusal,
    style: RefusalStyle,
}

impl Rejection {
    pub(crate) const fn new(refusal: Refusal, style: RefusalStyle) -> Self {
        Self { refusal, style }
    }

    /// Returns why the request is refused.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// Returns the response to send. Nothing is logged.
    ///
    /// The [hook](crate::WebhookConfig::with_refusal_response) of the configuration shapes it.
    pub fn response(&self) -> RefusalResponse {
        self.style.response(&self.refusal)
    }

    /// Logs the refusal, with the status of its [`response`](Self::response).
    ///
    /// The event has the target `agentmail` and the fields `code`, `status`, `reason` and `hint`.
    ///
    /// | level | refusals |
    /// | --- | --- |
    /// | debug | a header is missing, duplicated or malformed (anyone can cause that); copies of a message |
    /// | warn | what an operator may have to act on |
    /// | error | a wrong setup |
    pub fn log(&self) {
        telemetry::refused(&self.refusal, self.response().status());
    }
}

/// Refuses without a configuration: the body of the response is empty.
impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal, RefusalStyle::default())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl Error for Rejection {}
