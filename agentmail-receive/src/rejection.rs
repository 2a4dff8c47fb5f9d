use std::{error::Error, fmt};

use agentmail_verify::VerifyError;
use bytes::Bytes;
use serde::Serialize;

use crate::Refusal;

/// A refusal that an adapter turns into an answer.
#[derive(Debug, Clone, Copy)]
pub struct Rejection {
    refusal: Refusal,
    explain: bool,
}

/// What to answer to a request that is refused.
#[derive(Debug)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The value of the header `Retry-After`, in seconds, if it is to be sent.
    pub retry_after: Option<u64>,
    /// The body, if it has one: problem details (RFC 9457), to be sent as
    /// [`Answer::CONTENT_TYPE`].
    pub problem: Option<Bytes>,
}

impl Answer {
    /// The content type of [`Answer::problem`].
    pub const CONTENT_TYPE: &str = "application/problem+json";
}

impl Rejection {
    /// Refuses a request; `explain` puts the reason into the answer's body.
    #[must_use]
    pub const fn new(refusal: Refusal, explain: bool) -> Self {
        Self { refusal, explain }
    }

    /// Returns why the request is refused.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// Returns what to answer, and logs that it is answered: a refusal that a handler took in hand is
    /// not logged.
    ///
    /// The event has the target `agentmail` and the fields `code`, `status`, `reason` and `hint`.
    /// Headers that are missing, repeated or malformed, which anyone can cause, and copies of a message
    /// are logged at debug level; what
    /// an operator may have to act on at warn level; a wrong set-up at error level.
    #[must_use]
    pub fn answer(&self) -> Answer {
        log(&self.refusal);
        let is_error = self.refusal.status() >= 400;
        let problem = (self.explain && is_error).then(|| Problem {
            status: self.refusal.status(),
            code: self.refusal.code(),
            detail: self.refusal.to_string(),
            hint: self.refusal.hint(),
        });
        Answer {
            status: self.refusal.status(),
            retry_after: (self.refusal.status() == 503).then_some(5),
            problem: problem.and_then(|problem| serde_json::to_vec(&problem).ok()).map(Bytes::from),
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal, false)
    }
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
        Refusal::AlreadyHandled | Refusal::InFlight => log!(debug, "delivery not handled again"),
        Refusal::MissingLayer | Refusal::MissingConfiguration => {
            log!(error, "webhook set-up is wrong");
        }
        Refusal::Unverified(
            VerifyError::MissingSignature
            | VerifyError::DuplicateSignature
            | VerifyError::MalformedSignature
            | VerifyError::MissingTimestamp
            | VerifyError::DuplicateTimestamp
            | VerifyError::MalformedTimestamp,
        ) => log!(debug, "delivery refused"),
        _ => log!(warn, "delivery refused"),
    }
}
