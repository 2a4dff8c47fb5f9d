//! Each outcome of a delivery reaches the observer, without an allocation.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex},
    time::Duration,
};

use agentmail_receive::{
    Accepted, Delivery, EventRead, LookedUp, Lookup, Observer, Refused, Rejection, RequestHead,
    Tenant, WebhookConfig,
};
use agentmail_verify::{Event, Label, MailReceived, Secret, Signer, UnixTime, Verifier};
use bytes::Bytes;
use futures_util::{FutureExt, stream};

const SIGNED_AT: UnixTime = UnixTime::from_secs(1_700_000_000);
const BODY: &str = r#"{"type":"mail.received","agent_id":"my-agent","message_id":"m"}"#;

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Seen {
    fn push(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Seen {
    fn accepted(&self, accepted: &Accepted) {
        assert!(accepted.verify_time < Duration::from_secs(60));
        let (age, ahead) = (accepted.age().as_secs(), accepted.ahead().as_secs());
        let (label, bytes) = (accepted.receipt.label(), accepted.body_bytes);
        self.push(format!("{label} {age} {ahead} {bytes} {}", accepted.looked_up));
    }

    fn refused(&self, refused: &Refused) {
        self.push(refused.refusal.code().to_owned());
    }

    fn looked_up(&self, looked_up: &LookedUp) {
        self.push(looked_up.outcome.name().to_owned());
    }

    fn event(&self, event: &EventRead) {
        self.push(event.kind.to_owned());
    }
}

struct Nothing;

impl Observer for Nothing {}

fn secret() -> Secret {
    Secret::new("whsec_test_secret").unwrap().with_label(Label::new("2026-11").unwrap())
}

fn receive(config: &WebhookConfig, body: &'static str) -> Result<Delivery, Rejection> {
    let signed = Signer::new(secret()).sign(SIGNED_AT, BODY.as_bytes());
    let values = |header| signed.value(header);
    let pieces = stream::iter([Ok::<_, Infallible>(Bytes::from_static(body.as_bytes()))]);
    let head = RequestHead::new("/agentmail/webhook", &());
    config.receive(head, values, None, pieces).now_or_never().unwrap()
}

fn at(seconds: i64) -> WebhookConfig {
    let now = UnixTime::from_secs(SIGNED_AT.as_secs().saturating_add_signed(seconds));
    WebhookConfig::new(Verifier::new(secret())).with_clock(now)
}

#[test]
fn an_accepted_delivery_has_its_age_its_length_and_the_label_of_its_secret() {
    let seen = Arc::new(Seen::default());
    for (name, seconds, expected) in [
        ("as new", 0, "2026-11 0 0 63 false"),
        ("later", 40, "2026-11 40 0 63 false"),
        ("ahead", -7, "2026-11 0 7 63 false"),
    ] {
        let delivery = receive(&at(seconds).with_observer(seen.clone()), BODY).unwrap();
        assert_eq!(seen.take(), [expected], "{name}");

        delivery.json::<Event>().unwrap();
        delivery.json::<MailReceived>().unwrap();
        assert_eq!(seen.take(), ["mail.received"], "{name}: an event is reported once");
    }
}

#[test]
fn a_refusal_is_reported_once_where_it_is_logged() {
    let seen = Arc::new(Seen::default());
    for (name, config, body, code) in [
        ("too old", at(301), BODY, "stale"),
        ("another body", at(0), "{}", "mismatch"),
        ("a limit", at(0).with_body_limit(3), BODY, "body_too_large"),
    ] {
        let rejection = receive(&config.with_observer(seen.clone()), body).unwrap_err();
        assert_eq!(seen.take(), [""; 0], "{name}");
        rejection.log();
        assert_eq!(seen.take(), [code], "{name}");
    }

    let delivery = receive(&at(0).with_observer(seen.clone()), BODY).unwrap();
    seen.take();
    delivery.refuse(agentmail_receive::Refusal::InboxUnavailable).log();
    assert_eq!(seen.take(), ["inbox_unavailable"]);
}

#[test]
fn a_lookup_is_reported_with_its_outcome() {
    type Found = Result<Option<Tenant>, &'static str>;
    let tenant = || Tenant::new(Verifier::new(secret()), "my-agent");
    let seen = Arc::new(Seen::default());
    for (found, expected) in [
        (Ok(Some(tenant())), &["found", "2026-11 0 0 63 true"][..]),
        (Ok(None), &["unknown"]),
        (Err("down"), &["failed"]),
    ] {
        let found: Found = found;
        let lookup = Lookup::new(|_| Some(()), move |()| ready(found.clone()));
        let config = WebhookConfig::new(lookup).with_clock(SIGNED_AT).with_observer(seen.clone());
        _ = receive(&config, BODY);
        assert_eq!(seen.take(), expected);
    }
}

#[test]
fn an_observer_adds_no_allocation() {
    let allocations = |config: &WebhookConfig| {
        let measured = allocation_counter::measure(|| {
            receive(config, BODY).unwrap().json::<Event>().unwrap();
        });
        measured.count_total
    };
    let (without, with) = (at(0), at(0).with_observer(Arc::new(Nothing)));
    // What a process allocates once.
    for config in [&without, &with] {
        allocations(config);
    }

    assert_eq!(allocations(&with), allocations(&without));
}
