use std::{fmt, time::Duration};

use agentmail_receive::MessageKey;
use bytes::Bytes;

use crate::text;

/// A message to store.
///
/// `Debug` shows the length of the body, not the body.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct NewMessage {
    key: MessageKey,
    kind: String,
    agent_key: Option<[u8; 32]>,
    agent_id: Option<String>,
    message_id: Option<String>,
    body: Bytes,
    fresh_for: Duration,
    trace_parent: Option<String>,
}

impl NewMessage {
    /// Creates a message from its key, the event's `type`, and the bytes that were signed.
    pub fn new(key: MessageKey, kind: &str, body: impl Into<Bytes>) -> Self {
        Self {
            key,
            kind: text::id(kind),
            agent_key: None,
            agent_id: None,
            message_id: None,
            body: body.into(),
            fresh_for: Duration::ZERO,
            trace_parent: None,
        }
    }

    /// Sets the agent.
    pub fn with_agent_id(self, agent_id: &str) -> Self {
        let agent_key = Some(Self::agent_key_of(agent_id));
        Self { agent_key, agent_id: Some(text::id(agent_id)), ..self }
    }

    /// Sets the id of the message, which only an operator reads.
    pub fn with_message_id(self, message_id: &str) -> Self {
        Self { message_id: Some(text::id(message_id)), ..self }
    }

    /// Sets for how long a copy of the message can be accepted. See
    /// [`Delivery::fresh_for`](agentmail_receive::Delivery::fresh_for).
    pub fn with_fresh_for(self, fresh_for: Duration) -> Self {
        Self { fresh_for, ..self }
    }

    /// Sets the trace that the attempts belong to, in the form of the header `traceparent`.
    pub fn with_trace_parent(self, trace_parent: &str) -> Self {
        Self { trace_parent: Some(text::id(trace_parent)), ..self }
    }

    /// Returns the key that identifies the message.
    #[must_use]
    pub const fn key(&self) -> MessageKey {
        self.key
    }

    /// Returns the event's `type`: at most 256 bytes, without control characters.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the SHA-256 of the agent's id. Messages of one agent have the same one.
    #[must_use]
    pub const fn agent_key(&self) -> Option<&[u8; 32]> {
        self.agent_key.as_ref()
    }

    /// Returns the agent's id for an operator: at most 256 bytes, without control characters.
    #[must_use]
    pub fn agent_id(&self) -> Option<&str> {
        self.agent_id.as_deref()
    }

    /// Returns the id of the message for an operator: at most 256 bytes, without control
    /// characters.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// Returns the bytes that were signed. They may be anything.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns for how long a copy of the message can be accepted.
    #[must_use]
    pub const fn fresh_for(&self) -> Duration {
        self.fresh_for
    }

    /// Returns the trace that the attempts belong to: at most 256 bytes, without control
    /// characters.
    #[must_use]
    pub fn trace_parent(&self) -> Option<&str> {
        self.trace_parent.as_deref()
    }

    /// Returns the [`agent_key`](Self::agent_key) of an agent.
    #[must_use]
    pub fn agent_key_of(agent_id: &str) -> [u8; 32] {
        *MessageKey::of_body(agent_id.as_bytes()).as_bytes()
    }
}

impl fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewMessage")
            .field("key", &self.key)
            .field("kind", &self.kind)
            .field("agent_id", &self.agent_id)
            .field("message_id", &self.message_id)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
