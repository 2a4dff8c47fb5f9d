use std::time::SystemTime;

use agentmail_receive::MessageKey;

use crate::{lease::RowId, new_message::NewMessage, state::State, text};

/// Which messages an operator means. A message matches if it matches all parts that are set.
///
/// ```
/// # use agentmail_inbox::{Filter, State};
/// let filter = Filter::new().with_state(State::Dead).with_agent_id("my-agent");
/// # assert_eq!(filter.state(), Some(State::Dead));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct Filter {
    id: Option<RowId>,
    key: Option<MessageKey>,
    state: Option<State>,
    kind: Option<String>,
    agent_key: Option<[u8; 32]>,
    received_from: Option<SystemTime>,
    received_before: Option<SystemTime>,
}

impl Filter {
    /// Creates a filter that matches all messages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Matches the message with this id.
    pub fn with_id(self, id: RowId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Matches the message with this key.
    pub fn with_key(self, key: MessageKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Matches messages in this state.
    pub fn with_state(self, state: State) -> Self {
        Self { state: Some(state), ..self }
    }

    /// Matches events with this `type`.
    pub fn with_kind(self, kind: &str) -> Self {
        Self { kind: Some(text::id(kind)), ..self }
    }

    /// Matches the messages of this agent.
    pub fn with_agent_id(self, agent_id: &str) -> Self {
        Self { agent_key: Some(NewMessage::agent_key_of(agent_id)), ..self }
    }

    /// Matches messages that arrived at this time or later.
    pub fn with_received_from(self, time: SystemTime) -> Self {
        Self { received_from: Some(time), ..self }
    }

    /// Matches messages that arrived before this time.
    pub fn with_received_before(self, time: SystemTime) -> Self {
        Self { received_before: Some(time), ..self }
    }

    /// Returns the id, if it is set.
    #[must_use]
    pub const fn id(&self) -> Option<RowId> {
        self.id
    }

    /// Returns the key, if it is set.
    #[must_use]
    pub const fn key(&self) -> Option<MessageKey> {
        self.key
    }

    /// Returns the state, if it is set.
    #[must_use]
    pub const fn state(&self) -> Option<State> {
        self.state
    }

    /// Returns the event's `type`, if it is set, as [`NewMessage::kind`] has it.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Returns the [`NewMessage::agent_key`] of the agent, if it is set.
    #[must_use]
    pub const fn agent_key(&self) -> Option<&[u8; 32]> {
        self.agent_key.as_ref()
    }

    /// Returns the earliest arrival, if it is set.
    #[must_use]
    pub const fn received_from(&self) -> Option<SystemTime> {
        self.received_from
    }

    /// Returns the time that the arrival is before, if it is set.
    #[must_use]
    pub const fn received_before(&self) -> Option<SystemTime> {
        self.received_before
    }
}
