use agentmail_receive::MessageKey;
use bytes::Bytes;
use rusqlite::{Row as SqlRow, types::Type};

use crate::{
    lease::{Lease, RowId},
    row::Row,
    sqlite::clock::{duration, time},
    state::State,
    take::Taken,
    text,
};

/// The columns that [`listed`] reads.
pub(super) const LISTED: &str = "id, message_key, kind, agent_id, message_id, state, attempts, \
                                 received_at, due_at, reason, redrives, redriven_at, redriven_by";

/// Reads a message that is taken now: `id, takes, message_key, attempts, trace_parent, body,
/// received_at`, as they were before.
///
/// # Errors
///
/// The row cannot be read. The text names the column.
pub(super) fn taken(row: &SqlRow<'_>, interrupted: bool, now: i64) -> Result<Taken, String> {
    let id: i64 = column(row, 0, "id")?;
    let takes: i64 = column(row, 1, "takes")?;
    let key: [u8; 32] = column(row, 2, "message_key")?;
    let attempts: u32 = column(row, 3, "attempts")?;
    let trace_parent: Option<String> = column(row, 4, "trace_parent")?;
    let body: Vec<u8> = column(row, 5, "body")?;
    let received_at: i64 = column(row, 6, "received_at")?;
    let lease = Lease::new(RowId::new(id), takes.saturating_add(1));
    let attempt = attempts.saturating_add(1);
    Ok(Taken::new(lease, MessageKey::from_bytes(key), attempt, Bytes::from(body))
        .interrupted(interrupted)
        .with_trace_parent(trace_parent)
        .with_age(duration(now.saturating_sub(received_at))))
}

/// Reads a message for an operator. A column that cannot be read has an empty value.
pub(super) fn listed(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let key: Option<[u8; 32]> = row.get(1).ok();
    let state = row.get(5).ok().and_then(State::from_number).unwrap_or(State::Dead);
    let kind: String = row.get(2).unwrap_or_default();
    let mut listed = Row::new(
        RowId::new(row.get(0)?),
        key.map(MessageKey::from_bytes),
        text::id(&kind),
        state,
        time(row.get(7).unwrap_or(0)),
        time(row.get(8).unwrap_or(0)),
    );
    listed.agent_id = row.get(3).unwrap_or(None);
    listed.message_id = row.get(4).unwrap_or(None);
    listed.attempts = row.get(6).unwrap_or(0);
    listed.reason = row.get(9).unwrap_or(None);
    listed.redrives = row.get(10).unwrap_or(0);
    listed.redriven_at = row.get::<_, Option<i64>>(11).unwrap_or(None).map(time);
    listed.redriven_by = row.get(12).unwrap_or(None);
    Ok(listed)
}

fn column<T: rusqlite::types::FromSql>(
    row: &SqlRow<'_>,
    index: usize,
    name: &str,
) -> Result<T, String> {
    row.get(index).map_err(|_| {
        let found = row.get_ref(index).map_or(Type::Null, |value| value.data_type());
        format!("the row cannot be read: the column {name} has an unexpected {found}")
    })
}
