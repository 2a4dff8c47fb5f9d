use std::cmp::Ordering;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::sqlite::error::SqliteError;

/// The changes of the schema, in order. The number of a change is its place, counted from 1. A
/// change that was released is never edited.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql")];

/// Brings the schema to the version of this crate, in one transaction with the write lock.
///
/// # Errors
///
/// A newer version of this crate has written the schema. Nothing was changed.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), SqliteError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Not `user_version`: the app may have tables of its own in this file, and use that.
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS agentmail_inbox_schema (
             id      INTEGER PRIMARY KEY CHECK (id = 1),
             version INTEGER NOT NULL
         ) STRICT",
    )?;
    let (found, known) = (version(&transaction)?, known());
    if found > known {
        return Err(SqliteError::NewerSchema { found, known });
    }
    let done = usize::try_from(found).unwrap_or(0);
    for migration in MIGRATIONS.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    if found < known {
        transaction.execute(
            "INSERT INTO agentmail_inbox_schema (id, version) VALUES (1, ?1)
             ON CONFLICT (id) DO UPDATE SET version = excluded.version",
            [known],
        )?;
    }
    transaction.commit()?;
    Ok(())
}

/// Checks that the schema is the one of this crate.
///
/// # Errors
///
/// Another version of this crate has written the schema, or the file is not an inbox.
pub(super) fn check(connection: &Connection) -> Result<(), SqliteError> {
    let (found, known) = (version(connection)?, known());
    match found.cmp(&known) {
        Ordering::Less => Err(SqliteError::OlderSchema { found, known }),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(SqliteError::NewerSchema { found, known }),
    }
}

fn version(connection: &Connection) -> Result<i64, SqliteError> {
    let select = "SELECT version FROM agentmail_inbox_schema";
    Ok(connection.query_row(select, [], |row| row.get(0)).optional()?.unwrap_or(0))
}

fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}
