use std::{error::Error, fmt, time::Duration};

use crate::store::BoxError;

/// Why a call of the inbox has failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum InboxError {
    /// The store returned an error.
    Failed(BoxError),
    /// The store did not respond in time. The call may still be carried out.
    #[non_exhaustive]
    Timeout {
        /// How long a call may take.
        deadline: Duration,
    },
}

impl fmt::Display for InboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_) => f.write_str("the store of the inbox failed"),
            Self::Timeout { deadline } => {
                write!(f, "the store of the inbox did not respond within {deadline:?}")
            }
        }
    }
}

impl Error for InboxError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(&**error),
            Self::Timeout { .. } => None,
        }
    }
}

impl From<BoxError> for InboxError {
    fn from(error: BoxError) -> Self {
        Self::Failed(error)
    }
}
