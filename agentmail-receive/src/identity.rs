use std::fmt;

use agentmail_verify::{MailReceived, PayloadError, from_json};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The three fields of a payload that identify its message and its agent, whatever its type.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) kind: Field,
    pub(crate) agent_id: Field,
    pub(crate) message_id: Field,
}

/// A field that identifies something.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Field {
    /// Absent, null or empty.
    #[default]
    Absent,
    /// One string, that every parser reads alike.
    Plain(String),
    /// Duplicated, of another type, or with a character that could not be read.
    Unclear,
}

impl Identity {
    /// # Errors
    ///
    /// The body is not a JSON object.
    pub(crate) fn read(body: &[u8]) -> Result<Self, PayloadError> {
        from_json(body)
    }

    pub(crate) fn is_mail(&self) -> bool {
        matches!(&self.kind, Field::Plain(kind) if kind == MailReceived::KIND)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdentityVisitor;
        impl<'de> Visitor<'de> for IdentityVisitor {
            type Value = Identity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Identity, A::Error> {
                let mut identity = Identity::default();
                let mut seen = [false; 3];
                while let Some(name) = fields.next_key::<Name>()? {
                    let (field, seen) = match (name, &mut seen) {
                        (Name::Kind, [seen, _, _]) => (&mut identity.kind, seen),
                        (Name::AgentId, [_, seen, _]) => (&mut identity.agent_id, seen),
                        (Name::MessageId, [_, _, seen]) => (&mut identity.message_id, seen),
                        (Name::Other, _) => {
                            fields.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    let value = fields.next_value()?;
                    *field = if *seen { Field::Unclear } else { value };
                    *seen = true;
                }
                Ok(identity)
            }
        }

        deserializer.deserialize_map(IdentityVisitor)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    #[serde(rename = "type")]
    Kind,
    AgentId,
    MessageId,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldVisitor;
        impl<'de> Visitor<'de> for FieldVisitor {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Field, E> {
                Ok(Field::Absent)
            }

            fn visit_str<E>(self, text: &str) -> Result<Field, E> {
                Ok(match text {
                    "" => Field::Absent,
                    // A lone surrogate is read like this.
                    text if text.contains(char::REPLACEMENT_CHARACTER) => Field::Unclear,
                    text => Field::Plain(text.to_owned()),
                })
            }

            fn visit_bool<E>(self, _: bool) -> Result<Field, E> {
                Ok(Field::Unclear)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Field, E> {
                Ok(Field::Unclear)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Field, E> {
                Ok(Field::Unclear)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Field, E> {
                Ok(Field::Unclear)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Field, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Field::Unclear)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Field, A::Error> {
                while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Field::Unclear)
            }
        }

        deserializer.deserialize_any(FieldVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Field {
        Field::Plain(text.to_owned())
    }

    fn agent_id(body: &str) -> Field {
        Identity::read(body.as_bytes()).unwrap().agent_id
    }

    #[test]
    fn reads_the_three_and_ignores_the_rest() {
        let body = br#"{"agent_id":"a","subject":"\ud800","type":"t","x":{"type":1},
            "message_id":"\u006d"}"#;

        assert_eq!(
            Identity::read(body).unwrap(),
            Identity { kind: plain("t"), agent_id: plain("a"), message_id: plain("m") }
        );
    }

    #[test]
    fn an_empty_or_null_field_is_absent() {
        for body in
            [r#"{"agent_id":""}"#, r#"{"agent_id":null}"#, "{}", r#"{"x":{"agent_id":"a"}}"#]
        {
            assert_eq!(agent_id(body), Field::Absent, "{body}");
        }
    }

    #[test]
    fn nothing_is_plain_that_could_be_read_in_two_ways() {
        for body in [
            r#"{"agent_id":"a","agent_id":"b"}"#,
            r#"{"agent_id":"a","agent_id":"a"}"#,
            r#"{"agent_id":"a","agent\u005fid":"b"}"#,
            r#"{"agent_id":"a","agent_id":null}"#,
            r#"{"agent_id":1}"#,
            r#"{"agent_id":["a"]}"#,
            r#"{"agent_id":{"agent_id":"a"}}"#,
            r#"{"agent_id":false}"#,
            r#"{"agent_id":"\ud83d"}"#,
        ] {
            assert_eq!(agent_id(body), Field::Unclear, "{body}");
        }
    }

    #[test]
    fn what_is_not_an_object_has_no_identity() {
        for (body, code) in [
            (&b"{\"agent_id\":\"a\"} {}"[..], "malformed_json"),
            (b"{\"agent_id\":\"\xff\"}", "malformed_json"),
            (b"\xef\xbb\xbf{}", "malformed_json"),
            (b"{\"x\":NaN}", "malformed_json"),
            (b"", "malformed_json"),
            (br#"["mail.received","a","m"]"#, "unexpected_payload"),
            (b"null", "unexpected_payload"),
        ] {
            assert_eq!(Identity::read(body).unwrap_err().code(), code, "{}", body.escape_ascii());
        }
    }
}
