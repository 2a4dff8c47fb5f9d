use std::{
    error::Error,
    fs::{File, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use rusqlite::Connection;

/// How long a write waits for a lock that another program holds, for example an operator's shell.
const PATIENCE: Duration = Duration::from_secs(2);

/// Locks a file beside the database, so that one process owns the inbox. (Not the database itself,
/// which has locks of its own.)
pub(crate) fn own(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = private_file(Path::new(&name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another process uses it")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens the database, or creates it. A transaction has reached the disk when it is committed. A
/// message that was in work when the former owner ended is due again.
pub(crate) fn connect(path: &Path) -> Result<Connection, Box<dyn Error>> {
    // SQLite gives its other files the permissions of this one.
    private_file(path)?;
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // With WAL, anything less loses committed transactions when the power fails.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(include_str!("schema.sql"))?;
    connection.execute("UPDATE inbox SET state = 'new' WHERE state = 'running'", [])?;
    Ok(connection)
}

/// Opens a file that only its owner may read, since mail is personal.
fn private_file(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    #[test]
    fn a_committed_transaction_has_reached_the_disk() {
        let path = env::temp_dir().join(format!("agentmail-inbox-{}.db", process::id()));
        let connection = connect(&path).unwrap();

        let setting = |name| connection.pragma_query_value(None, name, |row| row.get(0));
        assert_eq!(setting("synchronous"), Ok(2), "2 is FULL");
        let mode: rusqlite::Result<String> =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0));
        assert_eq!(mode.as_deref(), Ok("wal"));

        drop(connection);
        fs::remove_file(path).unwrap();
    }
}
