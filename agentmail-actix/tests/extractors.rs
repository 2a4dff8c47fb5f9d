//! The extractors as values: a test can create them, and a handler can take the value out of them.

use agentmail_actix::{
    Delivery, Event, MailReceived, MessageKey, Secret, Signer, UnixTime, Verified, Webhook,
};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const BODY: &str = r#"{"type":"mail.received","agent_id":"my-agent","message_id":"msg-1"}"#;

#[test]
fn extractors_deref_to_their_value_and_return_it() {
    let mail = || MailReceived::new("my-agent", "msg-1");

    let mut webhook = Webhook(mail());
    webhook.sender_verified = true;
    assert_eq!(webhook.agent_id, "my-agent");
    assert!(webhook.into_inner().sender_verified);

    let mut verified = Verified(mail());
    verified.sender_verified = true;
    assert_eq!(verified.message_id, "msg-1");
    assert!(verified.into_inner().sender_verified);
}

#[test]
fn a_test_can_create_a_delivery_with_one_call() {
    let delivery =
        Delivery::sign(&Signer::new(Secret::new("whsec_test_secret").unwrap()), NOW, BODY);

    assert_eq!(delivery.receipt().signed_at(), NOW);
    assert_eq!(delivery.message_key(), MessageKey::of_mail("my-agent", "msg-1"));
    assert_eq!(delivery.json::<Event>().unwrap().kind(), "mail.received");
    assert_eq!(delivery.clone().into_body(), BODY);
    assert_eq!(delivery.into_inner().into_body(), BODY);
}
