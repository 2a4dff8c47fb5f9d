use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::ErrorKind,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::{
    sqlite::{
        clock::{self, StoreClock},
        error::SqliteError,
        migrations,
        place::{Place, beside},
    },
    telemetry,
};

/// An open database.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) writer: Connection,
    pub(super) reader: Connection,
    pub(super) place: Place,
    /// `None`: another process owns the inbox.
    pub(super) owner: Option<Owner>,
}

impl Database {
    /// Opens the database, or creates it.
    pub(super) fn open(
        path: &Path,
        busy_timeout: Duration,
        clock: &StoreClock,
    ) -> Result<Self, SqliteError> {
        // First the lock, so that no other store of this process has the database open.
        let owner = own(path)?;
        create(path)?;
        let mut writer = write_ahead(path, busy_timeout)?;
        migrations::migrate(&mut writer)?;
        recover(&mut writer, clock)?;
        // SQLite does not sync the entry of a file that it has not created. A process may have
        // ended before it did this.
        sync_parent(path).map_err(|error| SqliteError::File(path.to_owned(), Arc::new(error)))?;
        Self::opened(path, busy_timeout, writer, Some(owner))
    }

    /// Opens a database that exists, and that another process may own.
    pub(super) fn attach(path: &Path, busy_timeout: Duration) -> Result<Self, SqliteError> {
        // SQLite's own error for a missing file does not say which one.
        fs::metadata(path).map_err(|error| SqliteError::File(path.to_owned(), Arc::new(error)))?;
        let writer = write_ahead(path, busy_timeout)?;
        migrations::check(&writer)?;
        Self::opened(path, busy_timeout, writer, None)
    }

    fn opened(
        path: &Path,
        busy_timeout: Duration,
        writer: Connection,
        owner: Option<Owner>,
    ) -> Result<Self, SqliteError> {
        let reader = connect(path, busy_timeout)?;
        reader.pragma_update(None, "query_only", true)?;
        let place =
            Place::of(path).map_err(|(path, error)| SqliteError::File(path, Arc::new(error)))?;
        Ok(Self { writer, reader, place, owner })
    }
}

/// The lock of an inbox, until it is dropped.
#[derive(Debug)]
pub(super) struct Owner(File);

impl Drop for Owner {
    fn drop(&mut self) {
        // To close the file is not enough: while this process starts another one, that one has a
        // copy of the descriptor, which also holds the lock.
        _ = self.0.unlock();
    }
}

/// Locks a file beside the database, so that one store owns the inbox. (Not the database itself,
/// which has locks of its own.)
fn own(path: &Path) -> Result<Owner, SqliteError> {
    let lock = beside(path, ".lock");
    let failed = |error| SqliteError::File(lock.clone(), Arc::new(error));
    let file = private().create(true).truncate(false).open(&lock).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Owner(file)),
        Err(TryLockError::WouldBlock) => Err(SqliteError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Creates the database, unless it exists. SQLite gives its other files the same permissions.
///
/// An existing file is not opened: the app may have a connection to it, and closing the file would
/// drop its locks.
fn create(path: &Path) -> Result<(), SqliteError> {
    match private().create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(SqliteError::File(path.to_owned(), Arc::new(error))),
    }
}

/// Mail is personal: only the owner of a file may read it.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// Opens the connection that writes.
fn write_ahead(path: &Path, busy_timeout: Duration) -> Result<Connection, SqliteError> {
    let writer = connect(path, busy_timeout)?;
    let mode: String = writer.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(SqliteError::NoWriteAheadLog(path.to_owned()));
    }
    // With the write-ahead log, anything less loses committed transactions when the power fails.
    writer.pragma_update(None, "synchronous", "FULL")?;
    Ok(writer)
}

fn connect(path: &Path, busy_timeout: Duration) -> Result<Connection, SqliteError> {
    // Without `SQLITE_OPEN_CREATE` and `SQLITE_OPEN_URI`.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(busy_timeout)?;
    Ok(connection)
}

/// Makes the messages due whose process has ended, and corrects times after the clock was set back.
fn recover(writer: &mut Connection, clock: &StoreClock) -> Result<(), SqliteError> {
    let now = clock.now();
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let written_at: i64 =
        transaction
            .query_row("SELECT written_at FROM agentmail_inbox_clock", [], |row| row.get(0))?;
    let set_back = written_at.saturating_sub(now);
    if set_back > 0 {
        let messages = transaction.execute(
            "UPDATE agentmail_inbox SET due_at = max(0, due_at - ?1) WHERE state < 2",
            [set_back],
        )?;
        transaction.execute("UPDATE agentmail_inbox_clock SET written_at = ?1", [now])?;
        if messages > 0 {
            telemetry::clock_was_set_back(clock::duration(set_back), messages);
        }
    }
    // A message that may have crashed its process is delayed more and more.
    transaction.execute(
        "UPDATE agentmail_inbox
         SET due_at = min(due_at, ?1 + CASE
             WHEN attempts < 2 THEN 0
             WHEN attempts < 7 THEN 500 << (attempts - 2)
             ELSE 30000
         END)
         WHERE state = 1",
        [now],
    )?;
    transaction.commit()?;
    Ok(())
}

fn sync_parent(path: &Path) -> std::io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}
