//! Which payloads the typed events accept, and which they refuse.

use serde::{
    Deserialize,
    de::value::{Error as ValueError, MapDeserializer},
};

use std::collections::BTreeMap;

use agentmail_verify::{Event, MailReceived, PayloadError, TrustTier, from_json};
use serde_json::Value;

/// The vendor guide's example.
const SAMPLE: &str = concat!(
    r#"{"type":"mail.received","agent_id":"my-agent","message_id":"msg-abc123","#,
    r#""sender":"user@example.com","subject":"Quarterly planning notes","#,
    r#""timestamp":"2026-04-16T12:00:00+00:00","sender_verified":true,"#,
    r#""peer_trust_tier":"verified","rate_limited":false,"is_duplicate":false,"#,
    r#""s3_bucket":"my-bucket","s3_key":"inbound/my-agent/msg-abc123.eml"}"#
);

fn sample() -> MailReceived {
    let mut mail = MailReceived::new("my-agent", "msg-abc123");
    mail.sender = Some("user@example.com".into());
    mail.subject = Some("Quarterly planning notes".into());
    mail.timestamp = Some("2026-04-16T12:00:00+00:00".into());
    mail.sender_verified = true;
    mail.peer_trust_tier = Some(TrustTier::Verified);
    mail.rate_limited = Some(false);
    mail.is_duplicate = Some(false);
    mail.s3_bucket = Some("my-bucket".into());
    mail.s3_key = Some("inbound/my-agent/msg-abc123.eml".into());
    mail
}

fn mail(json: &str) -> Result<MailReceived, PayloadError> {
    from_json(json.as_bytes())
}

fn event(json: &str) -> Result<Event, PayloadError> {
    from_json(json.as_bytes())
}

#[test]
fn reads_the_sample_of_the_guide() {
    assert_eq!(mail(SAMPLE), Ok(sample()));
    assert_eq!(event(SAMPLE), Ok(Event::MailReceived(sample())));
    assert_eq!(event(SAMPLE).unwrap().kind(), "mail.received");
}

#[test]
fn reads_a_value_that_owns_its_texts() {
    let value: Value = serde_json::from_str(SAMPLE).unwrap();

    assert_eq!(serde_json::from_value::<MailReceived>(value).unwrap(), sample());
}

#[test]
fn reads_what_it_has_written() {
    let least = MailReceived::new("a", "m");
    for written in [sample(), least] {
        let json = serde_json::to_string(&written).unwrap();

        assert_eq!(mail(&json), Ok(written));
    }
    assert_eq!(serde_json::to_string(&sample()).unwrap(), SAMPLE);
}

#[test]
fn takes_absent_and_null_members() {
    let least = MailReceived::new("a", "m");
    let nulls = r#"{"type":"mail.received","agent_id":"a","message_id":"m",
        "sender":null,"subject":null,"timestamp":null,"sender_verified":null,
        "peer_trust_tier":null,"rate_limited":null,"is_duplicate":null,
        "s3_bucket":null,"s3_key":null}"#;

    assert_eq!(
        mail(r#"{"type":"mail.received","agent_id":"a","message_id":"m"}"#),
        Ok(least.clone())
    );
    assert_eq!(mail(nulls), Ok(least));
}

#[test]
fn ignores_unknown_members_of_any_depth() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    let json =
        format!(r#"{{"new":{deep},"type":"mail.received","agent_id":"a","x":1,"message_id":"m"}}"#);

    assert_eq!(mail(&json), Ok(MailReceived::new("a", "m")));
}

#[test]
fn ignores_unknown_numbers_that_no_type_can_hold() {
    let digits = "7".repeat(400);
    for number in ["1e999", "-1e999", &digits] {
        for value in [number.to_owned(), format!("[{number}]"), format!(r#"{{"a":{number}}}"#)] {
            let json = format!(
                r#"{{"new":{value},"type":"mail.received","agent_id":"a","message_id":"m"}}"#
            );

            assert_eq!(mail(&json), Ok(MailReceived::new("a", "m")), "{value}");
        }
    }
}

#[test]
fn takes_any_content_inside_a_member_of_an_event_of_another_type() {
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    for value in ["[1e999]", r#"{"a":1e999}"#, r#"["\ud83d"]"#, &deep] {
        let json = format!(r#"{{"type":"mail.bounced","subject":{value}}}"#);

        assert_eq!(event(&json), Ok(Event::other("mail.bounced")), "{value:.20}");
        let whole = serde_json::from_str::<serde_json::Value>(value);
        assert!(whole.is_err(), "serde_json::Value refuses it");
    }
}

#[test]
fn takes_the_type_at_any_position() {
    let json = r#"{"message_id":"m","agent_id":"a","type":"mail.received"}"#;

    assert_eq!(event(json), Ok(Event::MailReceived(MailReceived::new("a", "m"))));
}

#[test]
fn keeps_an_unknown_trust_tier_as_text() {
    let json =
        r#"{"type":"mail.received","agent_id":"a","message_id":"m","peer_trust_tier":"partner"}"#;

    let tier = mail(json).unwrap().peer_trust_tier;

    assert_ne!(TrustTier::from("Verified".to_owned()), TrustTier::Verified);
    assert_eq!(TrustTier::from("verified".to_owned()), TrustTier::Verified);
    assert_eq!(TrustTier::from("verified"), TrustTier::Verified);
    assert_eq!(tier, Some(TrustTier::Other("partner".into())));
    assert_eq!(tier.unwrap().to_string(), "partner");
}

#[test]
fn refuses_a_mail_without_its_ids() {
    for json in [
        r#"{"type":"mail.received","message_id":"m"}"#,
        r#"{"type":"mail.received","agent_id":"a"}"#,
        r#"{"type":"mail.received","agent_id":"","message_id":"m"}"#,
        r#"{"type":"mail.received","agent_id":"a","message_id":""}"#,
        r#"{"type":"mail.received","agent_id":null,"message_id":"m"}"#,
    ] {
        assert_eq!(mail(json).unwrap_err().code(), "unexpected_payload", "{json}");
        assert_eq!(event(json).unwrap_err().code(), "unexpected_payload", "{json}");
    }
}

#[test]
fn an_optional_field_of_another_type_is_absent_and_named() {
    for (name, value) in [
        ("sender", r#"{"email":"user@example.com"}"#),
        ("subject", "1.5"),
        ("timestamp", "1776340800"),
        ("timestamp", "1e999"),
        ("sender_verified", r#""true""#),
        ("sender_verified", "1"),
        ("peer_trust_tier", "true"),
        ("rate_limited", "0"),
        ("rate_limited", "-1"),
        ("is_duplicate", r#"{"of":["m"]}"#),
        ("s3_bucket", "[]"),
        ("s3_key", r#"[{"a":1}]"#),
    ] {
        let json = format!(
            r#"{{"type":"mail.received","agent_id":"a","message_id":"m","{name}":{value}}}"#
        );

        let mail = mail(&json).unwrap();

        assert_eq!(mail, MailReceived::new("a", "m"), "{json}");
        // No type can hold `1e999`, so that nobody knows what it was.
        let named = if value == "1e999" { vec![] } else { vec![name] };
        assert_eq!(mail.mistyped_fields().collect::<Vec<_>>(), named, "{json}");
        assert_eq!(event(&json), Ok(Event::MailReceived(mail)), "{json}");
    }
}

#[test]
fn an_id_of_another_type_is_refused() {
    for ids in [
        r#""agent_id":1,"message_id":"m""#,
        r#""agent_id":"a","message_id":["m"]"#,
        r#""agent_id":{},"message_id":"m""#,
        r#""agent_id":"a","message_id":true"#,
    ] {
        let json = format!(r#"{{"type":"mail.received",{ids}}}"#);

        assert_eq!(mail(&json).unwrap_err().code(), "unexpected_payload", "{json}");
        assert_eq!(event(&json).unwrap_err().code(), "unexpected_payload", "{json}");
    }
}

#[test]
fn legal_json_that_serde_json_refuses_is_read() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Own {
        subject: String,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }

    let json = r#"{"type":"mail.received","agent_id":"a","message_id":"m",
        "subject":"\\ud83d \ud83d \ud83d\ude00","\udc00":[1e999,-1E+999]}"#;

    let subject = "\\ud83d \u{fffd} \u{1f600}";
    assert_eq!(mail(json).unwrap().subject.as_deref(), Some(subject));
    let own: Own = from_json(json.as_bytes()).unwrap();
    assert_eq!(own.subject, subject);
    assert_eq!(own.rest["\u{fffd}"], serde_json::json!([null, null]));
    let value: Value = from_json(json.as_bytes()).unwrap();
    assert_eq!(value["subject"], subject);
}

#[test]
fn refuses_a_duplicated_member() {
    let json = r#"{"type":"mail.received","agent_id":"a","message_id":"m","message_id":"n"}"#;

    assert_eq!(mail(json).unwrap_err().code(), "unexpected_payload");
    assert_eq!(event(json).unwrap_err().code(), "unexpected_payload");
}

#[test]
fn another_type_is_an_event_but_not_a_mail() {
    let json = r#"{"type":"mail.bounced","agent_id":7,"sender":{"name":"x"},"subject":["y"]}"#;

    assert_eq!(event(json), Ok(Event::other("mail.bounced")));
    assert_eq!(event(json).unwrap().kind(), "mail.bounced");
    assert_eq!(mail(json).unwrap_err().code(), "unexpected_payload");
}

#[test]
fn a_type_is_required() {
    for json in [
        r#"{"agent_id":"a","message_id":"m"}"#,
        r#"{"type":null,"agent_id":"a","message_id":"m"}"#,
        r#"{"type":"","agent_id":"a","message_id":"m"}"#,
        r#"{"type":1,"agent_id":"a","message_id":"m"}"#,
        "[]",
        r#"["mail.received","a","m"]"#,
        r#"["mail.bounced"]"#,
        "null",
    ] {
        assert_eq!(event(json).unwrap_err().code(), "unexpected_payload", "{json}");
        assert_eq!(mail(json).unwrap_err().code(), "unexpected_payload", "{json}");
    }
}

#[test]
fn a_refused_payload_names_the_flaw_but_shows_no_content() {
    for (json, flaw) in [
        (r#"{"agent_id":"a","message_id":"m"}"#, "`type` is missing or empty"),
        (r#"{"type":"mail.bounced"}"#, "`type` is not `mail.received`"),
        (r#"{"type":"mail.received","message_id":"m"}"#, "`agent_id` is missing or empty"),
        (r#"{"type":"mail.received","agent_id":"a"}"#, "`message_id` is missing or empty"),
        (r#"{"type":"mail.received","agent_id":7}"#, "`agent_id` is not a string"),
        (
            r#"{"type":"mail.received","agent_id":"a","message_id":7}"#,
            "`message_id` is not a string",
        ),
    ] {
        let message = mail(json).unwrap_err().to_string();

        assert_eq!(message, format!("the body is not of the expected shape: {flaw}"));
    }
}

#[test]
fn a_missing_or_duplicated_field_is_named_in_any_type() {
    #[derive(Debug, Deserialize)]
    struct Own {
        #[serde(rename = "message_id")]
        _message_id: String,
        #[serde(rename = "order_id")]
        _order_id: u64,
    }
    let own = |json: &str| from_json::<Own>(json.as_bytes()).unwrap_err().to_string();

    assert_eq!(
        own(r#"{"message_id":"m"}"#),
        "the body is not of the expected shape: `order_id` is missing, at line 1 column 18"
    );
    let twice = own(r#"{"message_id":"m","order_id":1,"order_id":2}"#);
    assert!(twice.contains("`order_id` is duplicated, at line 1 column"), "{twice}");
    let twice =
        r#"{"type":"mail.received","agent_id":"a","message_id":"m","subject":1,"subject":2}"#;
    let message = mail(twice).unwrap_err().to_string();
    assert!(message.contains("`subject` is duplicated"), "{message}");
}

#[test]
fn errors_of_serde_say_what_was_expected() {
    let message = |json| serde_json::from_str::<Event>(json).unwrap_err().to_string();

    assert!(message("7").contains("expected an object"), "{}", message("7"));
    assert!(message(r#"{"type":7}"#).contains("expected the event's type"));
    let odd = MapDeserializer::<_, ValueError>::new([("sender", 7_u128)].into_iter());
    assert!(Event::deserialize(odd).unwrap_err().to_string().contains("expected a JSON value"));
}

#[test]
fn debug_shows_ids_and_flags_but_no_content() {
    let shown = format!("{:?}", Event::MailReceived(sample()));

    for content in ["user@example.com", "Quarterly", "inbound/", "my-bucket"] {
        assert!(!shown.contains(content), "{shown}");
    }
    for id_or_flag in ["my-agent", "msg-abc123", "sender_verified: true", "Verified"] {
        assert!(shown.contains(id_or_flag), "{shown}");
    }
}
