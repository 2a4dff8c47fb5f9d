use std::{fmt, time::SystemTime};

use agentmail_receive::MessageKey;
use bytes::Bytes;

use crate::{lease::RowId, state::State};

/// A message as an operator sees it, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The number of the message in its store.
    pub id: RowId,
    /// The key that identifies the message, or `None` if the column cannot be read.
    pub key: Option<MessageKey>,
    /// The event's `type`: at most 256 bytes, without control characters.
    pub kind: String,
    /// The agent's id: at most 256 bytes, without control characters.
    pub agent_id: Option<String>,
    /// The id of the message: at most 256 bytes, without control characters.
    pub message_id: Option<String>,
    /// The state.
    pub state: State,
    /// How many attempts have begun, since the message arrived or was redriven.
    pub attempts: u32,
    /// When the message arrived.
    pub received_at: SystemTime,
    /// A waiting message: when it is due. A taken message: when its lease ends. Otherwise: when the
    /// message reached its state.
    pub due_at: SystemTime,
    /// The last error: at most 1,000 bytes, without control characters.
    pub reason: Option<String>,
    /// How often an operator has redriven the message.
    pub redrives: u32,
    /// When an operator has last redriven the message.
    pub redriven_at: Option<SystemTime>,
    /// Who has last redriven the message.
    pub redriven_by: Option<String>,
}

impl Row {
    /// Creates a row. The public fields that are not parameters are 0 or `None`. For stores.
    #[must_use]
    pub const fn new(
        id: RowId,
        key: Option<MessageKey>,
        kind: String,
        state: State,
        received_at: SystemTime,
        due_at: SystemTime,
    ) -> Self {
        Self {
            id,
            key,
            kind,
            agent_id: None,
            message_id: None,
            state,
            attempts: 0,
            received_at,
            due_at,
            reason: None,
            redrives: 0,
            redriven_at: None,
            redriven_by: None,
        }
    }
}

/// A message with its body: the result of [`InboxStore::show`](crate::InboxStore::show).
///
/// `Debug` shows the length of the body, not the body.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowBody {
    /// The message.
    pub row: Row,
    /// The bytes that were signed.
    pub body: Bytes,
}

impl RowBody {
    /// Creates it from its parts. For stores.
    #[must_use]
    pub const fn new(row: Row, body: Bytes) -> Self {
        Self { row, body }
    }
}

impl fmt::Debug for RowBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowBody")
            .field("row", &self.row)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
