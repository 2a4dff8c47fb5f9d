//! Every log event of this crate. The target is `agentmail`.

use std::{
    collections::BTreeSet,
    error::Error,
    sync::{Mutex, PoisonError},
};

use agentmail_verify::Receipt;
use tracing::Level;

use crate::refusal::Refusal;

const TARGET: &str = "agentmail";

pub(crate) fn verified(receipt: &Receipt) {
    tracing::debug!(target: TARGET, secret_label = receipt.label().as_str(), "delivery verified");
}

pub(crate) fn refused(refusal: &Refusal, status: u16) {
    macro_rules! log {
        ($level:ident) => {
            tracing::event!(
                target: TARGET,
                Level::$level,
                code = refusal.code(),
                status,
                reason = %refusal,
                hint = refusal.hint(),
                "{}",
                message(refusal)
            )
        };
    }

    match refusal.level() {
        Level::ERROR => log!(ERROR),
        Level::WARN => log!(WARN),
        _ => log!(DEBUG),
    }
}

/// Logs that an optional field has another JSON type than in the guide, so that it is absent.
pub(crate) fn field_ignored(field: &'static str) {
    static LOGGED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

    const MESSAGE: &str =
        "a field has another JSON type than in the vendor's guide: treated as absent";
    if LOGGED.lock().unwrap_or_else(PoisonError::into_inner).insert(field) {
        tracing::warn!(target: TARGET, field, "{MESSAGE}");
    } else {
        tracing::debug!(target: TARGET, field, "{MESSAGE}");
    }
}

pub(crate) fn lookup_failed(error: &(dyn Error + 'static)) {
    // As text, which a subscriber escapes: the error may quote a name from the path.
    let error = with_sources(error);
    tracing::error!(target: TARGET, error, "the lookup of a tenant failed");
}

pub(crate) fn lookup_panicked() {
    tracing::error!(target: TARGET, "the lookup of a tenant panicked");
}

pub(crate) fn invalid_header(name: &str) {
    tracing::error!(target: TARGET, name, "a refusal response has an invalid header: left out");
}

const fn message(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::AlreadyHandled | Refusal::InFlight => "delivery not handled again",
        Refusal::MissingLayer | Refusal::MissingConfiguration => "webhook setup is wrong",
        _ => "delivery refused",
    }
}

/// Joins an error and its sources: `the query failed: connection refused`.
fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{fmt, io};

    use super::*;

    #[derive(Debug)]
    struct QueryFailed(io::Error);

    impl fmt::Display for QueryFailed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the query failed")
        }
    }

    impl Error for QueryFailed {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn an_error_is_shown_with_its_sources() {
        let error = QueryFailed(io::Error::other("connection refused"));

        assert_eq!(with_sources(&error), "the query failed: connection refused");
    }
}
