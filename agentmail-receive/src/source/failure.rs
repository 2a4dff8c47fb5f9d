use std::{error::Error, sync::Arc};

use crate::refusal::Refusal;

/// Why a lookup has found no tenant: the refusal, and the error behind it for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) refusal: Refusal,
    pub(crate) error: Option<Arc<str>>,
}

impl Failure {
    /// A lookup that has failed with this error.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        // As text, which a subscriber escapes: the error may quote a name from the path.
        Self { refusal: Refusal::LookupFailed, error: Some(with_sources(error).into()) }
    }

    /// A function of a lookup that has panicked.
    pub(crate) fn panicked(function: &str) -> Self {
        Self { refusal: Refusal::LookupFailed, error: Some(format!("{function} panicked").into()) }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, error: None }
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
