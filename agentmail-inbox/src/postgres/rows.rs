//! The columns of a row, as the types of this crate.

use std::time::Duration;

use bytes::Bytes;
use tokio_postgres::{Error as ClientError, Row as SqlRow};

use super::error::{PostgresError, PostgresErrorKind};
use crate::{
    lease::{Lease, RowId},
    row::{Row, RowBody},
    state::State,
    take::Taken,
};

/// The longest time that PostgreSQL is given: its own limit is shorter than that of `Duration`.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// Returns seconds, as the statements take them.
pub(super) fn seconds(time: Duration) -> f64 {
    time.min(CENTURY).as_secs_f64()
}

/// A row that was taken: the message, or why it cannot be read.
pub(super) enum TakenRow {
    /// The message, its place in the order, and whether its body was left out.
    Readable(Taken),
    Unreadable(Lease, String),
}

/// Reads a row of the statements that take, in their order: `interrupted` first, then by due time.
pub(super) fn taken(
    mut rows: Vec<SqlRow>,
    body: impl Fn(&SqlRow) -> Result<Bytes, String>,
) -> Result<Vec<TakenRow>, PostgresError> {
    let order = |row: &SqlRow| -> Option<(bool, std::time::SystemTime, i64)> {
        let interrupted: bool = row.try_get(5).ok()?;
        Some((!interrupted, row.try_get(6).ok()?, row.try_get(0).ok()?))
    };
    rows.sort_by_cached_key(order);
    rows.iter().map(|row| Ok(taken_row(row, &body)?)).collect()
}

fn taken_row(
    row: &SqlRow,
    body: impl Fn(&SqlRow) -> Result<Bytes, String>,
) -> Result<TakenRow, ClientError> {
    let lease = Lease::new(RowId::new(row.try_get(0)?), row.try_get(1)?);
    let read = || -> Result<Taken, String> {
        let key = key(row, 2).ok_or("the key is not 32 bytes long")?;
        let attempts: i32 = row.try_get(3).map_err(|_| "`attempts` is not a number")?;
        let attempt = u32::try_from(attempts).ok().filter(|attempt| *attempt > 0);
        let attempt = attempt.ok_or("`attempts` is negative")?;
        let trace_parent = row.try_get(4).map_err(|_| "`trace_parent` is not a text")?;
        let interrupted = row.try_get(5).map_err(|_| "the row is malformed")?;
        let taken = Taken::new(lease, key, attempt, body(row)?).interrupted(interrupted);
        let age: f64 = row.try_get(8).map_err(|_| "the row is malformed")?;
        // Negative if the clock was set back.
        let age = Duration::try_from_secs_f64(age).unwrap_or_default();
        Ok(taken.with_trace_parent(trace_parent).with_age(age))
    };
    Ok(match read() {
        Ok(taken) => TakenRow::Readable(taken),
        Err(reason) => TakenRow::Unreadable(lease, format!("the row cannot be read: {reason}")),
    })
}

/// Reads the body in this column.
pub(super) fn body(row: &SqlRow, column: usize) -> Result<Bytes, String> {
    // One copy, from the buffer of the connection.
    let body: &[u8] = row.try_get(column).map_err(|_| "the body is not there")?;
    Ok(Bytes::copy_from_slice(body))
}

/// Reads a row as an operator sees it.
pub(super) fn listed(row: &SqlRow) -> Result<Row, PostgresError> {
    let number: i16 = row.try_get(5)?;
    let state = State::from_number(number).ok_or_else(|| {
        let detail = format!("a row has the unknown state {number}");
        PostgresError::new(PostgresErrorKind::Schema, detail)
    })?;
    let count = |column| -> Result<u32, ClientError> {
        let count: i32 = row.try_get(column)?;
        // A row that cannot be read is shown with what can be read of it.
        Ok(u32::try_from(count).unwrap_or_default())
    };
    let id = RowId::new(row.try_get(0)?);
    let (received_at, due_at) = (row.try_get(7)?, row.try_get(8)?);
    let mut listed = Row::new(id, key(row, 1), row.try_get(2)?, state, received_at, due_at);
    listed.agent_id = row.try_get(3)?;
    listed.message_id = row.try_get(4)?;
    listed.attempts = count(6)?;
    listed.reason = row.try_get(9)?;
    listed.redrives = count(10)?;
    listed.redriven_at = row.try_get(11)?;
    listed.redriven_by = row.try_get(12)?;
    Ok(listed)
}

/// Reads a row with its body.
pub(super) fn shown(row: &SqlRow) -> Result<RowBody, PostgresError> {
    let body =
        body(row, 13).map_err(|cause| PostgresError::new(PostgresErrorKind::Schema, cause))?;
    Ok(RowBody::new(listed(row)?, body))
}

/// Reads a key. `None`: it is not a key.
pub(super) fn key(row: &SqlRow, column: usize) -> Option<crate::MessageKey> {
    let bytes: &[u8] = row.try_get(column).ok()?;
    Some(crate::MessageKey::from_bytes(bytes.try_into().ok()?))
}
