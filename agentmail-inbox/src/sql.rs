//! The statements that record a message as done, for a transaction of your own with a library such
//! as sqlx, diesel or sea-orm.
//!
//! Run the statement in the transaction of your effect, with these parameters:
//!
//! | parameter | value | type |
//! | --- | --- | --- |
//! | 1 | [`lease.id().get()`](crate::Lease::id) | `i64`: `INTEGER` on SQLite, `bigint` on PostgreSQL |
//! | 2 | [`lease.take()`](crate::Lease::take) | `i64`: `INTEGER` on SQLite, `bigint` on PostgreSQL |
//!
//! If it changes one row, commit. If it changes none, another worker has the message: roll back,
//! and return an error from the work. Call
//! [`Message::finished_elsewhere`](crate::Message::finished_elsewhere) before you commit, so that
//! the worker records nothing else. The statements are valid for the schema of this version of the
//! crate.
//!
//! With rusqlite and tokio-postgres, [`Message::finish_in`](crate::Message::finish_in) does all
//! that.

/// Records a message as done on SQLite.
///
/// Run it on the file of the inbox. While your transaction has the write lock, deliveries wait, and
/// get 503 after 2 seconds: keep it short.
#[cfg(feature = "sqlite")]
pub const SQLITE_FINISH: &str = "\
UPDATE agentmail_inbox
SET state = 2, due_at = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER),
    take_token = NULL, reason = NULL
WHERE id = ?1 AND takes = ?2 AND state = 1";

/// Records a message as done on PostgreSQL.
///
/// Run it in the database of the inbox. While your transaction is open, it keeps a lock on the row
/// of the message, and no worker takes it.
#[cfg(feature = "postgres")]
pub const POSTGRES_FINISH: &str = "\
UPDATE agentmail_inbox
SET state = 2, due_at = clock_timestamp(), take_token = NULL, reason = NULL
WHERE id = $1 AND takes = $2 AND state = 1";
