use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::{RawValue, to_raw_value};

use crate::cli::failure::Failure;

/// A JSON object whose members keep their order, and whose values keep their text.
pub(super) struct Payload {
    members: Vec<(String, Box<RawValue>)>,
}

/// The fields of a `mail.received` in the vendor's guide.
const TEXTS: [&str; 9] = [
    "type",
    "agent_id",
    "message_id",
    "sender",
    "subject",
    "timestamp",
    "peer_trust_tier",
    "s3_bucket",
    "s3_key",
];
const FLAGS: [&str; 3] = ["sender_verified", "rate_limited", "is_duplicate"];

impl Payload {
    pub(super) fn read(body: &[u8]) -> Result<Self, Failure> {
        let error = "--set and --unique need a body that is a JSON object";
        let members: Members = serde_json::from_slice(body).map_err(|_| Failure::input(error))?;
        Ok(Self { members: members.0 })
    }

    /// Sets a field. Its name and its type are those of the vendor's guide.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Failure> {
        let json = if FLAGS.contains(&name) {
            let flag: bool = value
                .parse()
                .map_err(|_| Failure::usage(format!("the field `{name}` is `true` or `false`")))?;
            to_raw_value(&flag)
        } else if TEXTS.contains(&name) {
            to_raw_value(value)
        } else {
            return Err(Failure::usage(unknown(name)));
        };
        let json = json.map_err(Failure::usage)?;
        match self.members.iter_mut().find(|(other, _)| other == name) {
            Some((_, value)) => *value = json,
            None => self.members.push((name.to_owned(), json)),
        }
        Ok(())
    }

    /// Returns a text field.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.members.iter().find(|(other, _)| other == name)?;
        serde_json::from_str(value.get()).ok()
    }

    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        serde_json::to_vec(self).map_err(Failure::input)
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.members.len()))?;
        for (name, value) in &self.members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Names the field that was probably meant.
fn unknown(name: &str) -> String {
    let fields = TEXTS.iter().chain(&FLAGS);
    let near = fields
        .map(|field| (strsim::jaro_winkler(name, field), *field))
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let name = name.escape_debug();
    match near {
        Some((similarity, field)) if similarity > 0.7 => {
            format!("the payload has no field `{name}`; did you mean `{field}`?")
        }
        _ => {
            let mut fields = [&TEXTS[..], &FLAGS].concat();
            fields.sort_unstable();
            format!("the payload has no field `{name}`; the fields are {}", fields.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_fields_by_their_type_and_keeps_everything_else() {
        let mut payload = Payload::read(br#"{"z":1.0,"subject":"a","b":[ ]}"#).unwrap();

        payload.set("subject", "say \"hi\"").unwrap();
        payload.set("sender_verified", "true").unwrap();

        let json = r#"{"z":1.0,"subject":"say \"hi\"","b":[ ],"sender_verified":true}"#;
        assert_eq!(payload.to_bytes().unwrap(), json.as_bytes());
        assert!(payload.set("sender_verified", "yes").is_err());
        assert_eq!(payload.text("subject").as_deref(), Some("say \"hi\""));
        assert!(Payload::read(b"[]").is_err());
    }

    #[test]
    fn proposes_the_nearest_field() {
        let mut payload = Payload::read(b"{}").unwrap();
        for (name, near) in
            [("subjct", "subject"), ("agent", "agent_id"), ("message", "message_id")]
        {
            let error = payload.set(name, "x").unwrap_err().to_string();
            assert!(error.ends_with(&format!("did you mean `{near}`?")), "{error}");
        }
        let error = payload.set("q", "x").unwrap_err().to_string();
        assert!(error.contains("the fields are agent_id, is_duplicate"), "{error}");
    }
}
