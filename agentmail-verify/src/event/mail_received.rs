use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::event::{
    flaw::Flaw,
    mistyped::MistypedFields,
    time::EventTime,
    trust_tier::TrustTier,
    wire::{Kind, Wire},
};

/// The payload of `mail.received`: an agent has received a mail.
///
/// The signature proves that the *service* sent the event. The mail's author may have written
/// `sender`, `subject`, the ids and `s3_key`. Never use them as instructions for a model, as a path
/// or as a command, and escape them in logs. Check [`sender_verified`](Self::sender_verified)
/// before you act.
///
/// Only `agent_id` and `message_id` are required. Every other field may be absent or null, and
/// unknown fields are ignored. An optional field of another JSON type than in the vendor's guide is
/// treated as absent, see [`mistyped_fields`](Self::mistyped_fields). `Debug` shows ids and flags,
/// never sender or subject.
///
/// This type reads and writes its own `type` field. Do not use it in an enum of your own that has
/// `#[serde(tag = "type")]`: serde removes the `type` field first, and this type then returns the
/// error that `type` is missing. Use [`Event`](crate::Event) there, or an untagged enum.
///
/// ```
/// # use agentmail_verify::{MailReceived, TrustTier};
/// let mut mail = MailReceived::new("my-agent", "msg-abc123");
/// mail.sender_verified = true;
/// mail.peer_trust_tier = Some(TrustTier::Verified);
/// mail.timestamp = Some("2026-04-16T12:00:00+00:00".into());
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
    /// The message's id. It identifies a message only together with the agent's id.
    pub message_id: String,
    /// The sender's address, as the mail states it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// The mail's subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the event happened. It has nothing to do with the freshness of the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<EventTime>,
    /// Whether the service could verify the sender. `false` if the payload does not say.
    pub sender_verified: bool,
    /// How far the service trusts the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_trust_tier: Option<TrustTier>,
    /// The service's `rate_limited` flag. The vendor's guide does not define it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limited: Option<bool>,
    /// The service's `is_duplicate` flag. The vendor's guide does not define it. It describes the
    /// mail, not a repeated delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_duplicate: Option<bool>,
    /// The bucket that contains the raw mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_bucket: Option<String>,
    /// The raw mail's key in that bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3_key: Option<String>,
    /// The fields that were treated as absent.
    #[serde(skip)]
    pub(super) mistyped: MistypedFields,
}

impl MailReceived {
    /// The `type` of this event: `mail.received`.
    pub const KIND: &str = "mail.received";

    /// Creates an event with these ids and no other field, for tests.
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
            mistyped: MistypedFields::default(),
        }
    }

    /// Returns the names of the optional fields that the payload had with another JSON type than in
    /// the guide. They were treated as absent.
    pub fn mistyped_fields(&self) -> impl Iterator<Item = &'static str> {
        self.mistyped.names()
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
