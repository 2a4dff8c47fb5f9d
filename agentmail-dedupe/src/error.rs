use std::{error::Error, fmt, io, time::Duration};

use crate::store::BoxError;

/// Why a message was not claimed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClaimError {
    /// The message was already handled. Its handler must not run again.
    AlreadyHandled,
    /// Another attempt is handling the message.
    InFlight,
    /// The store failed or did not respond, so it is not known whether the message was handled. The
    /// message must not be handled now.
    Unavailable(StoreError),
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyHandled => "the message is already handled",
            Self::InFlight => "the message is being handled",
            Self::Unavailable(_) => "the message could not be claimed",
        })
    }
}

impl Error for ClaimError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::AlreadyHandled | Self::InFlight => None,
            Self::Unavailable(error) => Some(error),
        }
    }
}

impl From<StoreError> for ClaimError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

/// Why a call of a store had no usable result.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The store returned an error, or panicked.
    Failed(BoxError),
    /// The store did not respond in time. The call may still have been carried out.
    #[non_exhaustive]
    Timeout {
        /// How long a call may take.
        deadline: Duration,
    },
    /// The store granted the claim, but this task was delayed for so long that the lease may have
    /// ended.
    LeaseExpired,
    /// The background thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(_) => f.write_str("the store failed"),
            Self::Timeout { deadline } => {
                write!(f, "the store did not respond within {deadline:?}")
            }
            Self::LeaseExpired => {
                f.write_str("the claim was granted, but its lease may have ended")
            }
            Self::Thread(_) => f.write_str("the background thread could not be started"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(&**error),
            Self::Timeout { .. } | Self::LeaseExpired => None,
            Self::Thread(error) => Some(error),
        }
    }
}
