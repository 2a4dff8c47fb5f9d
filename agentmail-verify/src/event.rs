use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::wire::{Kind, Wire};
use crate::payload::Flaw;

mod wire;

/// An event of AgentMail by Assmbl, whatever its type.
///
/// The guide names one type; take this enum where another must not turn into a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// `mail.received`.
    MailReceived(MailReceived),
    /// A type that this version does not know. Its payload is in the delivery's raw body.
    #[non_exhaustive]
    Other {
        /// The payload's `type`.
        kind: String,
    },
}

impl Event {
    /// Makes an event of another type, for tests.
    ///
    /// ```
    /// use agentmail_verify::Event;
    ///
    /// match Event::other("mail.bounced") {
    ///     Event::Other { kind, .. } => assert_eq!(kind, "mail.bounced"),
    ///     _ => unreachable!(),
    /// }
    /// ```
    #[must_use]
    pub fn other(kind: impl Into<String>) -> Self {
        Self::Other { kind: kind.into() }
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut wire = Wire::read(deserializer)?;
        match wire.take_kind() {
            Some(Kind::MailReceived) => wire.into_mail().map(Self::MailReceived),
            Some(Kind::Other(kind)) => Ok(Self::Other { kind }),
            None => Err(Flaw::MissingType.error()),
        }
    }
}

/// The payload of `mail.received`: an agent has received a mail.
///
/// The signature proves that the *service* sent the event. `sender`, `subject`, the ids and `s3_key`
/// are text of the mail's author: never take them as instructions for a model, as a path or as a
/// command, and escape them in logs. Look at [`sender_verified`](Self::sender_verified) before you
/// act.
///
/// Only `agent_id` and `message_id` are required; anything else may be absent or null, and unknown
/// members are ignored. `Debug` shows ids and flags, never sender or subject.
///
/// It reads and writes its own `type`: in an enum of yours that is tagged by `type` too, serde would
/// take that member away from it. Take [`Event`] there, or an untagged enum.
///
/// ```
/// use agentmail_verify::{MailReceived, TrustTier};
///
/// let mut mail = MailReceived::new("my-agent", "msg-abc123");
/// mail.sender_verified = true;
/// mail.peer_trust_tier = Some(TrustTier::Verified);
///
/// let json = serde_json::to_string(&mail)?;
/// assert_eq!(serde_json::from_str::<MailReceived>(&json)?, mail);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "mail.received")]
#[non_exhaustive]
pub struct MailReceived {
    /// The agent that received the mail.
    pub agent_id: String,
    /// The message's id. An identity only together with the agent's.
    pub message_id: String,
    /// The sender's address, as the mail states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The mail's subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the event happened: RFC 3339 with an offset, such as `2026-04-16T12:00:00+00:00`, the
    /// seconds possibly with a fraction. Kept as text; it has nothing to do with the freshness of
    /// the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// Whether the service could verify the sender; `false` when the payload does not say.
    pub sender_verified: bool,
    /// How far the service trusts the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_trust_tier: Option<TrustTier>,
    /// The service's `rate_limited` flag, which its guide does not define.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limited: Option<bool>,
    /// The service's `is_duplicate` flag, which its guide does not define. It speaks of the mail, not
    /// of a repeated delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_duplicate: Option<bool>,
    /// The bucket that holds the raw mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_bucket: Option<String>,
    /// The raw mail's key in that bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_key: Option<String>,
}

impl MailReceived {
    /// Makes an event with these ids and nothing else, for tests.
    #[must_use]
    pub fn new(agent_id: impl Into<String>, message_id: impl Into<String>) -> Self {
        Self {
            agent_id: agent_id.into(),
            message_id: message_id.into(),
            sender: None,
            subject: None,
            timestamp: None,
            sender_verified: false,
            peer_trust_tier: None,
            rate_limited: None,
            is_duplicate: None,
            s3_bucket: None,
            s3_key: None,
        }
    }
}

impl<'de> Deserialize<'de> for MailReceived {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut wire = Wire::read(deserializer)?;
        match wire.take_kind() {
            Some(Kind::MailReceived) => wire.into_mail(),
            Some(Kind::Other(_)) => Err(Flaw::OtherType.error()),
            None => Err(Flaw::MissingType.error()),
        }
    }
}

impl fmt::Debug for MailReceived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailReceived")
            .field("agent_id", &self.agent_id)
            .field("message_id", &self.message_id)
            .field("sender_verified", &self.sender_verified)
            .field("peer_trust_tier", &self.peer_trust_tier)
            .field("rate_limited", &self.rate_limited)
            .field("is_duplicate", &self.is_duplicate)
            .finish_non_exhaustive()
    }
}

/// How far the service trusts a sender. The guide shows one tier and defines no order among them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrustTier {
    /// `verified`.
    Verified,
    /// A tier that the guide does not show, as the service wrote it.
    Other(String),
}

impl TrustTier {
    /// Returns the tier as the service writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Verified => "verified",
            Self::Other(tier) => tier,
        }
    }
}

impl From<String> for TrustTier {
    fn from(tier: String) -> Self {
        if tier == Self::Verified.as_str() { Self::Verified } else { Self::Other(tier) }
    }
}

impl fmt::Display for TrustTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for TrustTier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TrustTier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}
