use std::{error::Error, fmt};

use agentmail_verify::VerifyError;
use bytes::Bytes;
use serde::Serialize;

use crate::Refusal;

/// A refusal that is to be answered. Making one logs it, once.
///
/// Events have the target `agentmail` and the fields `code`, `status` and `reason`. What anyone can
/// cause without knowing a thing is logged at debug level, what an operator may have to act on at
/// warn level, and a wrong set-up at error level.
#[derive(Debug, Clone, Copy)]
pub struct Rejection {
    refusal: Refusal,
    explain: bool,
}

impl Rejection {
    /// Refuses a request; `explain` puts the reason into the answer's body.
    #[must_use]
    pub fn new(refusal: Refusal, explain: bool) -> Self {
        log(&refusal);
        Self { refusal, explain }
    }

    /// Returns why the request is refused.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// Returns the body of the answer, if it has one: problem details (RFC 9457), to be sent as
    /// [`Rejection::CONTENT_TYPE`].
    #[must_use]
    pub fn body(&self) -> Option<Bytes> {
        let problem = self.explain.then(|| Problem {
            status: self.refusal.status(),
            code: self.refusal.code(),
            detail: self.refusal.to_string(),
            hint: self.refusal.hint(),
        });
        serde_json::to_vec(&problem?).map(Bytes::from).ok()
    }

    /// The content type of [`Rejection::body`].
    pub const CONTENT_TYPE: &str = "application/problem+json";
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl Error for Rejection {}

#[derive(Serialize)]
struct Problem {
    status: u16,
    code: &'static str,
    detail: String,
    hint: &'static str,
}

fn log(refusal: &Refusal) {
    macro_rules! log {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                target: "agentmail",
                code = refusal.code(),
                status = refusal.status(),
                reason = %refusal,
                hint = refusal.hint(),
                $message
            )
        };
    }

    match refusal {
        Refusal::MissingLayer => log!(error, "webhook set-up is wrong"),
        Refusal::Unverified(
            VerifyError::Stale { .. } | VerifyError::TooFarAhead { .. } | VerifyError::Mismatch,
        ) => log!(warn, "delivery refused"),
        Refusal::Unverified(_) => log!(debug, "delivery refused"),
        _ => log!(warn, "delivery refused"),
    }
}
