//! The checks when a store is opened, and the tables.

use tokio_postgres::Error as ClientError;

use super::{
    connections::Connections,
    error::{PostgresError, PostgresErrorKind},
    statements::{MIGRATIONS, VERSIONS},
};

/// The lock that only one process holds while it changes the tables. The number is arbitrary.
const LOCK: i64 = 0x6167_656e_746d_6169;

/// Refuses a server that can lose a transaction that it has confirmed.
pub(super) async fn check_server(connections: &Connections) -> Result<(), PostgresError> {
    let rows = connections
        .query(
            "SELECT current_setting('server_version_num')::integer, current_setting('fsync'),
                    current_setting('synchronous_commit')",
            &[],
        )
        .await?;
    let row = rows.first().ok_or_else(|| PostgresError::new(PostgresErrorKind::Other, ""))?;
    let (version, fsync, commit): (i32, String, String) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if version < 120_000 {
        let detail = "the inbox needs PostgreSQL 12 or newer";
        return Err(PostgresError::new(PostgresErrorKind::Other, detail));
    }
    if fsync != "on" {
        return Err(PostgresError::new(PostgresErrorKind::FsyncOff, ""));
    }
    if commit != "on" {
        let detail = format!("it is {commit:?} on a connection that set it to \"on\"");
        return Err(PostgresError::new(PostgresErrorKind::AsynchronousCommit, detail));
    }
    Ok(())
}

/// Checks the version of the tables, and applies the migrations that are missing.
pub(super) async fn migrate(connections: &Connections, apply: bool) -> Result<(), PostgresError> {
    let ours = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    let call = connections.operate().await?;
    let client = call.client();
    let version = async || -> Result<i32, ClientError> {
        let exists = "SELECT to_regclass('agentmail_inbox_schema') IS NOT NULL";
        if !client.query_one(exists, &[]).await?.try_get(0)? {
            return Ok(0);
        }
        let newest = "SELECT coalesce(max(version), 0) FROM agentmail_inbox_schema";
        client.query_one(newest, &[]).await?.try_get(0)
    };
    let found = call.within(async {
        let found = version().await?;
        if found >= ours || !apply {
            return Ok(found);
        }
        // A process that waits for the lock finds the tables of the process that had it.
        let lock = format!(
            "BEGIN; SET LOCAL statement_timeout = 100000; SELECT pg_advisory_xact_lock({LOCK})"
        );
        client.batch_execute(&lock).await?;
        // Before the version is read: this statement discards what the session remembers of tables
        // that were not there.
        client.batch_execute(VERSIONS).await?;
        let found = version().await?;
        for (number, migration) in (1_i32..).zip(MIGRATIONS).filter(|(number, _)| *number > found) {
            client.batch_execute(migration).await?;
            let insert = "INSERT INTO agentmail_inbox_schema (version) VALUES ($1)";
            client.execute(insert, &[&number]).await?;
        }
        client.batch_execute("COMMIT").await?;
        Ok(found.max(ours))
    });
    // After an error, the connection is closed, so that the transaction is rolled back.
    let found = found.await?;
    if found > ours {
        let detail = format!("their version is {found}, and this release knows {ours}");
        return Err(PostgresError::new(PostgresErrorKind::NewerSchema, detail));
    }
    if found < ours {
        let detail = format!("their version is {found}, and this release needs {ours}");
        return Err(PostgresError::new(PostgresErrorKind::Schema, detail));
    }
    call.end(Ok(()))
}
