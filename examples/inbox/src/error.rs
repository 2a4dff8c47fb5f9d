use std::{error::Error, fmt, path::PathBuf};

use tokio::task::JoinError;

/// The inbox could not be read or written.
#[derive(Debug)]
pub(crate) enum InboxError {
    /// The database failed, for example because the disk is full or another process holds the lock.
    Database(rusqlite::Error),
    /// This file was removed or replaced while the process uses it.
    FileLost(PathBuf),
    /// The query panicked, or was cancelled.
    Interrupted(JoinError),
}

impl fmt::Display for InboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(error) => write!(f, "the inbox: {error}"),
            Self::FileLost(path) => write!(
                f,
                "the inbox: {} was removed or replaced; restore it, and restart this process",
                path.display()
            ),
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
