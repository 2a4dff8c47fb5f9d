use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// The three fields of a payload that identify its message and its agent, whatever its type.
///
/// They are read strictly, so that the result cannot differ from what a handler sees: the body is
/// an object, and each field is a string that appears at most once. An empty one is treated as
/// absent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity<'a> {
    pub(crate) kind: Option<Cow<'a, str>>,
    pub(crate) agent_id: Option<Cow<'a, str>>,
    pub(crate) message_id: Option<Cow<'a, str>>,
}

impl<'a> Identity<'a> {
    /// Returns `None` for a body that is not such an object.
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(body).ok()?;
        let Object(members) = serde_json::from_str(text).ok()?;
        let present = |member: Option<Text<'a>>| {
            member.map(|Text(text)| text).filter(|text| !text.is_empty())
        };
        Some(Self {
            kind: present(members.kind),
            agent_id: present(members.agent_id),
            message_id: present(members.message_id),
        })
    }
}

/// serde refuses a duplicate of these fields, and ignores all others.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    agent_id: Option<Text<'a>>,
    #[serde(borrow)]
    message_id: Option<Text<'a>>,
}

/// A text that is borrowed from the body unless it has escapes. serde does not borrow in an
/// `Option<Cow>`.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object, and nothing else: a derived struct would accept an array of its fields too.
struct Object<'a>(Members<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
                Members::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(ObjectVisitor).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_and_passes_over_the_rest() {
        let body = br#"{"agent_id":"a","subject":"\ud800","type":"t","x":{"type":1},
            "message_id":"\u006d"}"#;

        let identity = Identity::read(body).unwrap();

        assert_eq!(identity.kind.as_deref(), Some("t"));
        assert_eq!(identity.agent_id.as_deref(), Some("a"));
        assert_eq!(identity.message_id.as_deref(), Some("m"));
        assert!(matches!(identity.agent_id, Some(Cow::Borrowed(_))));
    }

    #[test]
    fn an_empty_or_null_member_is_absent() {
        let identity = Identity::read(br#"{"agent_id":"","message_id":null}"#).unwrap();

        assert_eq!(identity, Identity { kind: None, agent_id: None, message_id: None });
    }

    #[test]
    fn takes_nothing_that_could_be_read_in_two_ways() {
        for body in [
            &br#"{"agent_id":"a","agent_id":"b"}"#[..],
            br#"{"agent_id":"a","agent\u005fid":"b"}"#,
            br#"{"agent_id":1}"#,
            br#"["mail.received","a","m"]"#,
            b"{\"agent_id\":\"a\"} {}",
            b"{\"agent_id\":\"\xff\"}",
            b"{\"subject\":\"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"null",
            b"",
        ] {
            assert_eq!(Identity::read(body), None, "{}", body.escape_ascii());
        }
    }
}
