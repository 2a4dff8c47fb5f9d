use std::{error::Error, fmt, io, path::PathBuf, sync::Arc};

use rusqlite::ErrorCode;

use crate::retry::with_sources;

/// Why a [`SqliteStore`](crate::SqliteStore) could not be opened, or a call has failed.
#[derive(Clone)]
#[non_exhaustive]
pub enum SqliteError {
    /// Another process, or another store of this process, uses the file.
    InUse(PathBuf),
    /// The file, or the lock beside it, could not be opened or created.
    File(PathBuf, Arc<io::Error>),
    /// The file system does not support the write-ahead log, for example because it is a network
    /// file system, or because the path is that of a database in memory.
    NoWriteAheadLog(PathBuf),
    /// A newer version of this crate has written the schema. Use that version.
    #[non_exhaustive]
    NewerSchema {
        /// The version in the file.
        found: i64,
        /// The newest version that this crate knows.
        known: i64,
    },
    /// An older version of this crate has written the schema. The process that owns the inbox must
    /// be started with this version first.
    #[non_exhaustive]
    OlderSchema {
        /// The version in the file.
        found: i64,
        /// The version that this crate needs.
        known: i64,
    },
    /// SQLite failed, for example because the disk is full or another process holds the lock.
    Database(Arc<rusqlite::Error>),
    /// This file was removed or replaced while the process uses it. Restore it, and restart the
    /// process. Messages are not stored until then.
    FileLost(PathBuf),
    /// Too many messages wait to be written, by number or by bytes.
    Busy,
    /// The thread that writes has ended, or could not be started.
    Closed,
}

impl SqliteError {
    /// Whether the statement failed because of its own row: other rows can be written.
    pub(super) fn is_of_one_row(error: &rusqlite::Error) -> bool {
        match error.sqlite_error_code() {
            Some(code) => matches!(
                code,
                ErrorCode::ConstraintViolation
                    | ErrorCode::TooBig
                    | ErrorCode::TypeMismatch
                    | ErrorCode::DiskFull
            ),
            None => true,
        }
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => {
                write!(f, "cannot open the inbox {}: another process uses it", path.display())
            }
            Self::File(path, _) => write!(f, "cannot open the inbox {}", path.display()),
            Self::NoWriteAheadLog(path) => write!(
                f,
                "cannot open the inbox {}: its file system does not support a write-ahead log",
                path.display()
            ),
            Self::NewerSchema { found, known } => write!(
                f,
                "the inbox has schema {found}, but this version of agentmail-inbox knows schemas \
                 up to {known}: use the newer version"
            ),
            Self::OlderSchema { found, known } => write!(
                f,
                "the inbox has schema {found}, but this version of agentmail-inbox needs schema \
                 {known}: start the receiver with this version first"
            ),
            // Its source repeats its text.
            Self::Database(error) => write!(f, "the database of the inbox failed: {error}"),
            Self::FileLost(path) => write!(
                f,
                "{} was removed or replaced: restore it, and restart this process",
                path.display()
            ),
            Self::Busy => f.write_str("too many messages wait to be written"),
            Self::Closed => f.write_str("the thread that writes the inbox has ended"),
        }
    }
}

/// Shows the sentence of `Display` and its cause, for a `main` that returns this error.
impl fmt::Debug for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&with_sources(self))
    }
}

impl Error for SqliteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(_, error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}
