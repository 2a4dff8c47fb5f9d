use crate::{
    inbound::{Flags, Parsed, text},
    time::{Time, python_isoformat},
};

/// What the payload of `mail.received` says.
#[derive(Debug)]
pub(crate) struct Payload<'a> {
    pub(crate) agent_id: &'a str,
    pub(crate) message_id: &'a str,
    pub(crate) at: Time,
    pub(crate) parsed: &'a Parsed,
    pub(crate) flags: &'a Flags,
    pub(crate) s3_bucket: &'a str,
    pub(crate) s3_key: &'a str,
}

impl Payload<'_> {
    /// Writes the payload as Python's `json.dumps` does.
    pub(crate) fn to_json(&self) -> String {
        let mut json = Json::new();
        json.text("type", Some("mail.received"));
        json.text("agent_id", Some(self.agent_id));
        json.text("message_id", Some(self.message_id));
        json.text("sender", self.parsed.sender.as_deref());
        json.name("subject");
        match &self.parsed.subject {
            Some(subject) => subject.write_json(&mut json.0),
            None => json.0.push_str("null"),
        }
        json.text("timestamp", Some(&python_isoformat(self.at)));
        json.flag("sender_verified", self.flags.sender_verified);
        json.text("peer_trust_tier", self.flags.peer_trust_tier.as_deref());
        json.flag("rate_limited", self.flags.rate_limited);
        json.flag("is_duplicate", self.flags.is_duplicate);
        json.text("s3_bucket", Some(self.s3_bucket));
        json.text("s3_key", Some(self.s3_key));
        json.0.push('}');
        json.0
    }
}

/// An object of JSON that is written from its start to its end.
struct Json(String);

impl Json {
    fn new() -> Self {
        Self("{".to_owned())
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push_str(", ");
        }
        text::write_json(name.encode_utf16(), &mut self.0);
        self.0.push_str(": ");
    }

    fn text(&mut self, name: &str, value: Option<&str>) {
        self.name(name);
        match value {
            Some(value) => text::write_json(value.encode_utf16(), &mut self.0),
            None => self.0.push_str("null"),
        }
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.0.push_str(if value { "true" } else { "false" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_fields_of_the_guides_example_in_its_order() {
        let parsed = Parsed {
            sender: Some("user@example.com".to_owned()),
            subject: Some("Quarterly planning notes".into()),
        };
        let payload = Payload {
            agent_id: "my-agent",
            message_id: "msg-abc123",
            at: "2026-04-16T12:00:00Z".parse().unwrap(),
            parsed: &parsed,
            flags: &Flags::new(None, None, None, None, None),
            s3_bucket: "my-bucket",
            s3_key: "inbound/my-agent/msg-abc123.eml",
        };

        assert_eq!(
            payload.to_json(),
            concat!(
                r#"{"type": "mail.received", "agent_id": "my-agent", "message_id": "msg-abc123", "#,
                r#""sender": "user@example.com", "subject": "Quarterly planning notes", "#,
                r#""timestamp": "2026-04-16T12:00:00+00:00", "sender_verified": true, "#,
                r#""peer_trust_tier": "verified", "rate_limited": false, "is_duplicate": false, "#,
                r#""s3_bucket": "my-bucket", "s3_key": "inbound/my-agent/msg-abc123.eml"}"#,
            )
        );
    }

    #[test]
    fn writes_null_where_the_mail_has_nothing() {
        let payload = Payload {
            agent_id: "a",
            message_id: "m",
            at: "2026-04-16T12:00:00Z".parse().unwrap(),
            parsed: &Parsed { sender: None, subject: None },
            flags: &Flags::new(Some(false), None, None, None, None),
            s3_bucket: "b",
            s3_key: "k",
        };

        let json = payload.to_json();

        assert!(json.contains(r#""sender": null, "subject": null"#), "{json}");
        assert!(json.contains(r#""sender_verified": false, "peer_trust_tier": null"#), "{json}");
    }
}
