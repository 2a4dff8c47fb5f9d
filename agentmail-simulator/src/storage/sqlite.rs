use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    thread,
    time::Duration,
};

use rusqlite::{Connection, params};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc::UnboundedReceiver, oneshot};

use crate::{
    error::StartError,
    state::State,
    storage::{Change, Journal, Table, journal::Batch},
};

/// How long a write waits for a lock that another program holds, for example an operator's shell.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many batches are written in one transaction.
const BATCHES: usize = 1_000;
/// The version of the tables.
const VERSION: i64 = 1;

/// Opens the data file, or creates it. Returns what it contains, and the way to write to it.
pub(crate) fn open(path: &Path, longest_pause: Duration) -> Result<(State, Journal), StartError> {
    let failed = || format!("the data file {} cannot be opened", path.display());
    let lock = own(path).map_err(StartError::io(failed()))?;
    let connection = connect(path).map_err(|error| StartError::caused(failed(), error))?;
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| StartError::caused(failed(), error))?;
    if found != VERSION {
        let message = format!("{}: it has the version {found}, not {VERSION}", failed());
        return Err(StartError::new(message));
    }
    let state = read(&connection, longest_pause).map_err(|error| {
        StartError::caused(format!("{} because it cannot be read", failed()), error)
    })?;
    let (journal, batches, end) = Journal::new();
    thread::Builder::new()
        .name("agentmail-simulator data".to_owned())
        .spawn(move || write(connection, batches, end, lock))
        .map_err(StartError::io("no thread can be started"))?;
    Ok((state, journal))
}

impl Table {
    #[cfg(test)]
    const ALL: [Self; 5] =
        [Self::Agents, Self::Messages, Self::Deliveries, Self::Outbox, Self::Events];

    fn name(self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Messages => "messages",
            Self::Deliveries => "deliveries",
            Self::Outbox => "outbox",
            Self::Events => "events",
        }
    }
}

/// Locks a file beside the data file, so that one process owns it.
fn own(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = private_file(Path::new(&name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another process uses it")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens a file that only its owner may read, since mail is personal, and secrets are secret.
fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    // SQLite gives its other files the permissions of this one. If it fails, so does SQLite.
    _ = private_file(path);
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A crash of this process loses nothing. A power cut may lose the last transactions.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let is_new: bool =
        connection
            .query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if is_new {
        connection.execute_batch(include_str!("schema.sql"))?;
        connection.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(connection)
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error("a row of {table} is not as expected")]
    Row { table: &'static str, source: serde_json::Error },
}

fn read(connection: &Connection, longest_pause: Duration) -> Result<State, ReadError> {
    let mut state = State::new(true);
    each(connection, Table::Agents, |_, account| state.restore_account(account))?;
    each(connection, Table::Messages, |number, message| state.restore_message(number, message))?;
    each(connection, Table::Deliveries, |number, delivery| {
        state.restore_delivery(number, delivery, longest_pause);
    })?;
    each(connection, Table::Outbox, |number, mail| state.restore_outbox(number, mail))?;
    each(connection, Table::Events, |_, event| state.restore_event(event))?;
    Ok(state)
}

/// Reads each row of a table in the order of its keys.
fn each<T: DeserializeOwned>(
    connection: &Connection,
    table: Table,
    mut restore: impl FnMut(u64, T),
) -> Result<(), ReadError> {
    let name = table.name();
    let mut statement =
        connection.prepare(&format!("SELECT rowid, json FROM {name} ORDER BY key"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (number, json): (i64, String) = (row.get(0)?, row.get(1)?);
        let value =
            serde_json::from_str(&json).map_err(|source| ReadError::Row { table: name, source })?;
        restore(u64::try_from(number).unwrap_or(0), value);
    }
    Ok(())
}

/// Writes batches until the journal is closed. What waits is written in one transaction.
fn write(
    mut connection: Connection,
    mut batches: UnboundedReceiver<Batch>,
    end: oneshot::Sender<()>,
    lock: File,
) {
    // What could not be written is written with the next batch.
    let mut unwritten = Vec::new();
    while let Some(first) = batches.blocking_recv() {
        let mut waiting = Vec::new();
        let mut next = Some(first);
        while let Some(batch) = next {
            unwritten.extend(batch.changes);
            waiting.push(batch.written);
            next = if waiting.len() < BATCHES { batches.try_recv().ok() } else { None };
        }
        let result = commit(&mut connection, &unwritten).map_err(|error| error.to_string());
        match &result {
            Ok(()) => unwritten.clear(),
            Err(error) => tracing::error!(%error, "the data file cannot be written"),
        }
        for written in waiting {
            // Nobody waits any more if this fails.
            _ = written.send(result.clone());
        }
    }
    drop(connection);
    // To close the file is not enough: while this process starts another one, that one has a copy
    // of the descriptor, which also holds the lock.
    _ = lock.unlock();
    drop(end);
}

fn commit(connection: &mut Connection, changes: &[Change]) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction()?;
    for change in changes {
        match change {
            Change::Put { table, key, json } => {
                let table = table.name();
                transaction
                    .prepare_cached(&format!(
                        "INSERT INTO {table} (key, json) VALUES (?1, ?2)
                         ON CONFLICT (key) DO UPDATE SET json = excluded.json"
                    ))?
                    .execute(params![key, json])?;
            }
            Change::Delete { table, key } => {
                let table = table.name();
                transaction
                    .prepare_cached(&format!("DELETE FROM {table} WHERE key = ?1"))?
                    .execute(params![key])?;
            }
        }
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Account;

    #[test]
    fn each_table_is_in_the_schema() {
        for table in Table::ALL {
            let statement = format!("CREATE TABLE {} (", table.name());
            assert!(include_str!("schema.sql").contains(&statement), "{statement}");
        }
    }

    #[tokio::test]
    async fn a_file_is_read_back_and_has_one_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        let (state, journal) = open(&path, Duration::ZERO).unwrap();
        assert!(state.accounts.is_empty());
        let second = open(&path, Duration::ZERO).unwrap_err();
        assert!(second.to_string().contains("cannot be opened"), "{second}");

        let account = Account::new("my-agent".to_owned(), "token".to_owned());
        let change = Change::put(Table::Agents, "my-agent", &account);
        journal.send(vec![change]).written().await.unwrap();
        journal.close().await;

        let (state, journal) = open(&path, Duration::ZERO).unwrap();
        assert_eq!(state.agent_of("token"), Some("my-agent"));
        journal.send(vec![Change::delete(Table::Agents, "my-agent")]).written().await.unwrap();
        journal.close().await;
        assert!(open(&path, Duration::ZERO).unwrap().0.accounts.is_empty());
    }

    #[test]
    fn a_file_of_another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        connect(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();

        let refused = open(&path, Duration::ZERO).unwrap_err();

        assert!(refused.to_string().contains("the version 99"), "{refused}");
    }
}
