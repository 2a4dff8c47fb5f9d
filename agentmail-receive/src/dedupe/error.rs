use std::{error::Error, fmt, io, time::Duration};

use super::BackendError;

/// Why a store did not answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The back end refused, or could not be reached.
    Backend(BackendError),
    /// The back end did not answer in time. What was asked may have been carried out.
    #[non_exhaustive]
    Slow {
        /// The time that a call may take.
        deadline: Duration,
    },
    /// A claim was granted, but this task was held up for so long that its lease may have ended.
    Expired,
    /// The store's own thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(_) => f.write_str("the store refused or could not be reached"),
            Self::Slow { deadline } => write!(f, "the store did not answer within {deadline:?}"),
            Self::Expired => {
                f.write_str("a claim was granted, and may have ended before it was used")
            }
            Self::Thread(_) => f.write_str("the store's own thread could not be started"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Backend(error) => Some(&**error),
            Self::Slow { .. } | Self::Expired => None,
            Self::Thread(error) => Some(error),
        }
    }
}
