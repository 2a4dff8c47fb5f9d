use serde_json::Value;

/// Members that keep their value: ids, and what the service says about the mail.
const KEPT: [&str; 9] = [
    "type",
    "agent_id",
    "message_id",
    "timestamp",
    "sender_verified",
    "peer_trust_tier",
    "rate_limited",
    "is_duplicate",
    "s3_bucket",
];

/// Returns a body as JSON, in which the text of every other member is replaced by its length.
pub(super) fn masked(body: &[u8]) -> Value {
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => {
            let members = members.into_iter().map(|(name, value)| {
                let value = if KEPT.contains(&&*name) { value } else { mask(value) };
                (name, value)
            });
            Value::Object(members.collect())
        }
        Ok(other) => mask(other),
        Err(_) => Value::String(format!("({} bytes that are not JSON)", body.len())),
    }
}

fn mask(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(format!("({} bytes)", text.len())),
        Value::Array(items) => items.into_iter().map(mask).collect(),
        Value::Object(members) => {
            let members = members.into_iter().map(|(name, value)| (name, mask(value)));
            Value::Object(members.collect())
        }
        Value::Number(_) => Value::String("(a number)".to_owned()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn masks_every_text_that_may_be_personal() {
        let body = json!({
            "type": "mail.received",
            "agent_id": "a",
            "subject": "hush",
            "sender": {"name": "Eve", "age": 30},
            "sender_verified": true,
            "new": ["hush", null],
        });
        assert_eq!(
            masked(&serde_json::to_vec(&body).unwrap()),
            json!({
                "type": "mail.received",
                "agent_id": "a",
                "subject": "(4 bytes)",
                "sender": {"name": "(3 bytes)", "age": "(a number)"},
                "sender_verified": true,
                "new": ["(4 bytes)", null],
            })
        );
        assert_eq!(masked(b"hush"), json!("(4 bytes that are not JSON)"));
        assert_eq!(masked(br#""hush""#), json!("(4 bytes)"));
    }
}
