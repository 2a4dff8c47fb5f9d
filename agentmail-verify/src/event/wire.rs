use alloc::{borrow::ToOwned, string::String};
use core::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use crate::event::{flaw::Flaw, mail_received::MailReceived};

/// The flat object of the vendor's guide, read in one pass before its `type` is known.
///
/// A member of an unexpected JSON type is not an error yet. It is one in `mail.received`, but not
/// in an event of an unknown type.
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
        Ok(MailReceived {
            agent_id: self.agent_id.id(Flaw::MissingAgentId)?,
            message_id: self.message_id.id(Flaw::MissingMessageId)?,
            sender: self.sender.text()?,
            subject: self.subject.text()?,
            timestamp: self.timestamp.text()?.map(Into::into),
            sender_verified: self.sender_verified.flag()?.unwrap_or(false),
            peer_trust_tier: self.peer_trust_tier.text()?.map(Into::into),
            rate_limited: self.rate_limited.flag()?,
            is_duplicate: self.is_duplicate.flag()?,
            s3_bucket: self.s3_bucket.text()?,
            s3_key: self.s3_key.text()?,
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
    fn text(self) -> Result<Option<String>, Flaw> {
        match self {
            Self::Absent => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::Flag(_) | Self::Other => Err(Flaw::MistypedMember),
        }
    }

    fn flag(self) -> Result<Option<bool>, Flaw> {
        match self {
            Self::Absent => Ok(None),
            Self::Flag(flag) => Ok(Some(flag)),
            Self::Text(_) | Self::Other => Err(Flaw::MistypedMember),
        }
    }

    /// Returns a required text. An empty one is treated as absent.
    fn id(self, missing: Flaw) -> Result<String, Flaw> {
        self.text()?.filter(|id| !id.is_empty()).ok_or(missing)
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
