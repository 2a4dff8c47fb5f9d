use alloc::{borrow::ToOwned, string::String};
use core::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{MailReceived, TrustTier};
use crate::payload::Flaw;

/// The flat object of the guide, read in one pass before its `type` is known.
///
/// A member of an unexpected type is no error yet: it is one in `mail.received`, and none of our
/// business in an event that we do not know.
#[derive(Deserialize)]
pub(super) struct Wire {
    #[serde(rename = "type")]
    kind: Option<Kind>,
    #[serde(default)]
    agent_id: Text,
    #[serde(default)]
    message_id: Text,
    #[serde(default)]
    sender: Text,
    #[serde(default)]
    subject: Text,
    #[serde(default)]
    timestamp: Text,
    #[serde(default)]
    sender_verified: Flag,
    #[serde(default)]
    peer_trust_tier: Text,
    #[serde(default)]
    rate_limited: Flag,
    #[serde(default)]
    is_duplicate: Flag,
    #[serde(default)]
    s3_bucket: Text,
    #[serde(default)]
    s3_key: Text,
}

impl Wire {
    /// Reads an object, and nothing else: a derived struct would take an array of its members too.
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
        Ok(MailReceived {
            agent_id: self.agent_id.id(Flaw::MissingAgentId)?,
            message_id: self.message_id.id(Flaw::MissingMessageId)?,
            sender: self.sender.optional()?,
            subject: self.subject.optional()?,
            timestamp: self.timestamp.optional()?,
            sender_verified: self.sender_verified.optional()?.unwrap_or(false),
            peer_trust_tier: self.peer_trust_tier.optional()?.map(TrustTier::from),
            rate_limited: self.rate_limited.optional()?,
            is_duplicate: self.is_duplicate.optional()?,
            s3_bucket: self.s3_bucket.optional()?,
            s3_key: self.s3_key.optional()?,
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
                    "mail.received" => Ok(Kind::MailReceived),
                    "" => Err(Flaw::MissingType.error()),
                    other => Ok(Kind::Other(other.to_owned())),
                }
            }
        }

        deserializer.deserialize_str(KindVisitor)
    }
}

type Text = Member<String>;
type Flag = Member<bool>;

/// A member that may be absent or null, and that may turn out to be of another type.
#[derive(Default)]
enum Member<T> {
    #[default]
    Absent,
    Given(T),
    OfAnotherType,
}

impl<T> Member<T> {
    fn optional<E: de::Error>(self) -> Result<Option<T>, E> {
        match self {
            Self::Absent => Ok(None),
            Self::Given(value) => Ok(Some(value)),
            Self::OfAnotherType => Err(Flaw::MistypedMember.error()),
        }
    }
}

impl Text {
    /// An empty id counts as absent.
    fn id<E: de::Error>(self, missing: Flaw) -> Result<String, E> {
        let id = self.optional()?.filter(|id| !id.is_empty());
        id.ok_or_else(|| missing.error())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let any = deserializer.deserialize_any(AnyVisitor)?;
        Ok(match any {
            Any::Null => Self::Absent,
            Any::Text(text) => Self::Given(text),
            Any::Flag(_) | Any::Else => Self::OfAnotherType,
        })
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let any = deserializer.deserialize_any(AnyVisitor)?;
        Ok(match any {
            Any::Null => Self::Absent,
            Any::Flag(flag) => Self::Given(flag),
            Any::Text(_) | Any::Else => Self::OfAnotherType,
        })
    }
}

/// Any JSON value, of which only texts and flags are kept.
enum Any {
    Null,
    Text(String),
    Flag(bool),
    Else,
}

struct AnyVisitor;

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Any, E> {
        Ok(Any::Flag(flag))
    }

    fn visit_str<E>(self, text: &str) -> Result<Any, E> {
        Ok(Any::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Any, E> {
        Ok(Any::Text(text))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Any, E> {
        Ok(Any::Else)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Any, E> {
        Ok(Any::Else)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Any, E> {
        Ok(Any::Else)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Any, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Any::Else)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Any::Else)
    }
}
