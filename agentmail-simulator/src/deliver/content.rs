use crate::{deliver::recode::as_javascript, fault::Fault};

/// The length of the body with the fault `oversized`.
const OVERSIZED: usize = 512 * 1024;

/// The body of a request: what is signed, and what is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) signed: String,
    pub(crate) sent: String,
}

impl Content {
    /// Makes the body for a payload, with the fault of the attempt.
    pub(crate) fn of(payload: &str, fault: Option<Fault>) -> Self {
        let signed = signed(payload, fault);
        let sent = match fault {
            Some(Fault::Truncated) => signed.get(..signed.len() / 2).unwrap_or_default().to_owned(),
            Some(Fault::RecodedBody) => as_javascript(&signed),
            _ => signed.clone(),
        };
        Self { signed, sent }
    }
}

/// Returns the payload that is signed. Inside a string of JSON, a quotation mark is escaped: what
/// is replaced here is never a part of the mail's text.
fn signed(payload: &str, fault: Option<Fault>) -> String {
    match fault {
        Some(Fault::WrongAgentId) => {
            payload.replacen(r#""agent_id": ""#, r#""agent_id": "not-"#, 1)
        }
        Some(Fault::FieldType) => {
            let text = payload
                .replacen(r#""rate_limited": true"#, r#""rate_limited": 1"#, 1)
                .replacen(r#""rate_limited": false"#, r#""rate_limited": 0"#, 1);
            replace_value(&text, r#""timestamp": "#, "1776340800")
        }
        Some(Fault::Oversized) => {
            let spaces = OVERSIZED.saturating_sub(payload.len());
            format!("{payload}{}", " ".repeat(spaces))
        }
        _ => payload.to_owned(),
    }
}

/// Replaces the value that follows this name, up to the next comma.
fn replace_value(json: &str, name: &str, value: &str) -> String {
    let Some((before, after)) = json.split_once(name) else { return json.to_owned() };
    let rest = after.find(',').and_then(|comma| after.get(comma..)).unwrap_or_default();
    format!("{before}{name}{value}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &str = concat!(
        r#"{"type": "mail.received", "agent_id": "my-agent", "message_id": "msg-1", "#,
        r#""subject": "\"agent_id\": \"x\" \u00e9", "timestamp": "2026-04-16T12:00:00+00:00", "#,
        r#""rate_limited": false, "s3_key": "k"}"#,
    );

    #[test]
    fn faults_of_the_payload_change_only_their_field() {
        let body = |fault| Content::of(PAYLOAD, Some(fault)).sent;

        assert_eq!(body(Fault::WrongAgentId), PAYLOAD.replacen("my-agent", "not-my-agent", 1));
        assert_eq!(
            body(Fault::FieldType),
            PAYLOAD.replace("false", "0").replace(r#""2026-04-16T12:00:00+00:00""#, "1776340800")
        );
        assert_eq!(body(Fault::Oversized).trim_end(), PAYLOAD);
        assert_eq!(body(Fault::Oversized).len(), OVERSIZED);
        assert_eq!(body(Fault::Truncated), PAYLOAD[..PAYLOAD.len() / 2]);
    }

    #[test]
    fn faults_after_the_signature_leave_the_signed_body_as_it_was() {
        for fault in [Fault::Truncated, Fault::RecodedBody] {
            let content = Content::of(PAYLOAD, Some(fault));

            assert_eq!(content.signed, PAYLOAD, "{fault}");
            assert_ne!(content.sent, PAYLOAD, "{fault}");
        }
        let content = Content::of(PAYLOAD, None);
        assert_eq!((content.signed.as_str(), content.sent.as_str()), (PAYLOAD, PAYLOAD));
    }
}
