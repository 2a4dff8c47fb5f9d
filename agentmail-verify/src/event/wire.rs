use alloc::{borrow::ToOwned, string::String};
use core::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use crate::event::{flaw::Flaw, mail_received::MailReceived, mistyped::MistypedFields};

/// The flat object of the vendor's guide, read in one pass before its `type` is known.
///
/// An optional field of another JSON type than in the guide is treated as absent.
#[derive(Deserialize)]
pub(super) struct Wire {
    #[serde(rename = "type")]
    kind: Option<Kind>,
    #[serde(default)]
    agent_id: Member,
    #[serde(default)]
    message_id: Member,
    #[serde(default)]
    sender: Member,
    #[serde(default)]
    subject: Member,
    #[serde(default)]
    timestamp: Member,
    #[serde(default)]
    sender_verified: Member,
    #[serde(default)]
    peer_trust_tier: Member,
    #[serde(default)]
    rate_limited: Member,
    #[serde(default)]
    is_duplicate: Member,
    #[serde(default)]
    s3_bucket: Member,
    #[serde(default)]
    s3_key: Member,
}

impl Wire {
    /// Reads an object, and nothing else. A derived struct would accept an array of its members.
    pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Wire;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Wire, A::Error> {
                Wire::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }

    pub(super) fn take_kind(&mut self) -> Option<Kind> {
        self.kind.take()
    }

    pub(super) fn into_mail<E: de::Error>(self) -> Result<MailReceived, E> {
        self.mail().map_err(Flaw::error)
    }

    fn mail(self) -> Result<MailReceived, Flaw> {
        let mut mistyped = MistypedFields::default();
        Ok(MailReceived {
            agent_id: self.agent_id.id(Flaw::MissingAgentId, Flaw::MistypedAgentId)?,
            message_id: self.message_id.id(Flaw::MissingMessageId, Flaw::MistypedMessageId)?,
            sender: self.sender.text("sender", &mut mistyped),
            subject: self.subject.text("subject", &mut mistyped),
            timestamp: self.timestamp.text("timestamp", &mut mistyped).map(Into::into),
            sender_verified: self
                .sender_verified
                .flag("sender_verified", &mut mistyped)
                .unwrap_or(false),
            peer_trust_tier: self
                .peer_trust_tier
                .text("peer_trust_tier", &mut mistyped)
                .map(Into::into),
            rate_limited: self.rate_limited.flag("rate_limited", &mut mistyped),
            is_duplicate: self.is_duplicate.flag("is_duplicate", &mut mistyped),
            s3_bucket: self.s3_bucket.text("s3_bucket", &mut mistyped),
            s3_key: self.s3_key.text("s3_key", &mut mistyped),
            mistyped,
        })
    }
}

/// The payload's `type`.
pub(super) enum Kind {
    MailReceived,
    Other(String),
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KindVisitor;
        impl Visitor<'_> for KindVisitor {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the event's type")
            }

            fn visit_str<E: de::Error>(self, kind: &str) -> Result<Kind, E> {
                match kind {
                    MailReceived::KIND => Ok(Kind::MailReceived),
                    "" => Err(Flaw::MissingType.error()),
                    other => Ok(Kind::Other(other.to_owned())),
                }
            }
        }

        deserializer.deserialize_str(KindVisitor)
    }
}

/// A member of any JSON type, of which only texts and flags are kept.
///
/// `serde_json::Value` would keep the rest too, and would refuse what is skipped here: numbers out
/// of range, lone surrogates and deep nesting inside an array or object.
#[derive(Default)]
enum Member {
    /// Absent or null.
    #[default]
    Absent,
    Text(String),
    Flag(bool),
    Other,
}

impl Member {
    fn text(self, name: &'static str, mistyped: &mut MistypedFields) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Text(text) => Some(text),
            Self::Flag(_) | Self::Other => mistyped.note(name),
        }
    }

    fn flag(self, name: &'static str, mistyped: &mut MistypedFields) -> Option<bool> {
        match self {
            Self::Absent => None,
            Self::Flag(flag) => Some(flag),
            Self::Text(_) | Self::Other => mistyped.note(name),
        }
    }

    /// Returns a required text. An empty one is treated as absent.
    fn id(self, missing: Flaw, mistyped: Flaw) -> Result<String, Flaw> {
        match self {
            Self::Text(id) if !id.is_empty() => Ok(id),
            Self::Absent | Self::Text(_) => Err(missing),
            Self::Flag(_) | Self::Other => Err(mistyped),
        }
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MemberVisitor;
        impl<'de> Visitor<'de> for MemberVisitor {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Member, E> {
                Ok(Member::Absent)
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Member, E> {
                Ok(Member::Flag(flag))
            }

            fn visit_str<E>(self, text: &str) -> Result<Member, E> {
                Ok(Member::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Member, E> {
                Ok(Member::Text(text))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Member, E> {
                Ok(Member::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Member, E> {
                Ok(Member::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Member, E> {
                Ok(Member::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Member, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Member::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Member::Other)
            }
        }

        deserializer.deserialize_any(MemberVisitor)
    }
}
