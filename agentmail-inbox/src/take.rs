use std::{fmt, time::Duration};

use agentmail_receive::MessageKey;
use bytes::Bytes;
use uuid::Uuid;

use crate::{lease::Lease, limits::LONGEST_LEASE};

/// Identifies one call of [`InboxStore::take`](crate::InboxStore::take), and its repetitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TakeToken([u8; 16]);

impl TakeToken {
    /// Creates a random token.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().into_bytes())
    }

    /// Creates a token from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the token.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// What a worker takes: for [`InboxStore::take`](crate::InboxStore::take).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Take {
    token: TakeToken,
    repeated: bool,
    limit: usize,
    interrupted_limit: usize,
    lease: Duration,
    ordered: bool,
}

impl Take {
    /// Takes at most `limit` messages for the time of `lease`, which is at most
    /// [`LONGEST_LEASE`](crate::LONGEST_LEASE).
    ///
    /// At most one of them is interrupted, and the order of an agent's messages does not matter.
    pub fn new(token: TakeToken, limit: usize, lease: Duration) -> Self {
        Self {
            token,
            repeated: false,
            limit,
            interrupted_limit: 1,
            lease: lease.min(LONGEST_LEASE),
            ordered: false,
        }
    }

    /// Says that a call with this token may have been carried out: it had no usable result.
    pub const fn repeated(self) -> Self {
        Self { repeated: true, ..self }
    }

    /// Sets how many of the messages may be *interrupted*: an earlier attempt has begun, and had no
    /// outcome before its lease ended.
    ///
    /// Such a message may have crashed its process. A worker tries one at a time, so that the
    /// message cannot use up the attempts of many others.
    pub const fn with_interrupted_limit(self, interrupted_limit: usize) -> Self {
        Self { interrupted_limit, ..self }
    }

    /// Takes a message only if no earlier message of its agent is waiting or taken.
    pub const fn in_order_per_agent(self) -> Self {
        Self { ordered: true, ..self }
    }

    /// Returns the token.
    #[must_use]
    pub const fn token(&self) -> TakeToken {
        self.token
    }

    /// Returns whether a call with this token may have been carried out.
    #[must_use]
    pub const fn is_repeated(&self) -> bool {
        self.repeated
    }

    /// Returns how many messages to take at most.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Returns how many of them may be interrupted.
    #[must_use]
    pub fn interrupted_limit(&self) -> usize {
        self.interrupted_limit.min(self.limit)
    }

    /// Returns how long the lease is.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        self.lease
    }

    /// Returns whether an agent's messages are taken one after the other, in the order of arrival.
    #[must_use]
    pub const fn is_ordered(&self) -> bool {
        self.ordered
    }
}

/// A message that a worker has taken: the result of [`InboxStore::take`](crate::InboxStore::take).
///
/// `Debug` shows the length of the body, not the body.
#[derive(Clone, PartialEq, Eq)]
#[must_use]
pub struct Taken {
    lease: Lease,
    key: MessageKey,
    attempt: u32,
    interrupted: bool,
    body: Bytes,
    trace_parent: Option<String>,
    age: Option<Duration>,
}

impl Taken {
    /// Creates it from a row. For stores.
    pub const fn new(lease: Lease, key: MessageKey, attempt: u32, body: Bytes) -> Self {
        Self { lease, key, attempt, interrupted: false, body, trace_parent: None, age: None }
    }

    /// Says that an earlier attempt had no outcome before its lease ended.
    pub fn interrupted(self, interrupted: bool) -> Self {
        Self { interrupted, ..self }
    }

    /// Sets the trace that was stored with the message.
    pub fn with_trace_parent(self, trace_parent: Option<String>) -> Self {
        Self { trace_parent, ..self }
    }

    /// Sets the time since the message was stored, by the clock of the store. It is used for the
    /// latency in metrics only.
    pub fn with_age(self, age: Duration) -> Self {
        Self { age: Some(age), ..self }
    }

    /// Returns the lease.
    #[must_use]
    pub const fn lease(&self) -> Lease {
        self.lease
    }

    /// Returns the key that identifies the message.
    #[must_use]
    pub const fn key(&self) -> MessageKey {
        self.key
    }

    /// Returns the number of this attempt. The first one, and the first one after a redrive, is 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns whether an earlier attempt had no outcome before its lease ended.
    #[must_use]
    pub const fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Returns the bytes that were signed.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the trace that was stored with the message.
    #[must_use]
    pub fn trace_parent(&self) -> Option<&str> {
        self.trace_parent.as_deref()
    }

    /// Returns how long ago the message was stored when it was taken, if the store tells.
    #[must_use]
    pub const fn age(&self) -> Option<Duration> {
        self.age
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taken")
            .field("lease", &self.lease)
            .field("key", &self.key)
            .field("attempt", &self.attempt)
            .field("interrupted", &self.interrupted)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
