use std::{error::Error, fmt};

use tokio::task::JoinError;

/// The inbox could not be read or written.
#[derive(Debug)]
pub(crate) enum InboxError {
    /// The database failed, for example because the disk is full or another process holds the lock.
    Database(rusqlite::Error),
    /// The query panicked, or was cancelled.
    Interrupted(JoinError),
}

impl fmt::Display for InboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => write!(f, "the inbox: {error}"),
            Self::Interrupted(error) => write!(f, "the inbox: {error}"),
        }
    }
}

impl Error for InboxError {}

impl From<rusqlite::Error> for InboxError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<JoinError> for InboxError {
    fn from(error: JoinError) -> Self {
        Self::Interrupted(error)
    }
}
