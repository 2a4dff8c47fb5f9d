//! Once-only handling: the key of a delivery, how long it is remembered, and the refusals.
#![cfg(feature = "dedupe")]
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use agentmail_receive::{
    Delivery, MessageKey, Refusal, RequestHead, WebhookConfig,
    dedupe::{
        ClaimKey, ClaimOutcome, ClaimStore, Claims, ClaimsConfig, Dedupe, LeaseState, MemoryStore,
        Owner,
    },
};
use agentmail_verify::{Signer, Tolerance, Verifier};
use bytes::Bytes;

use common::{NOW, in_one_piece, secret};

const MAIL: &str = r#"{"type":"mail.received","agent_id":"my-agent","message_id":"a"}"#;

fn delivery(body: &str) -> Delivery {
    Delivery::sign(&Signer::new(secret("a")), NOW, body.to_owned())
}

/// A store in memory that records the keys and the retentions of completed messages.
#[derive(Clone, Default)]
struct Recorder {
    memory: MemoryStore,
    completed: Arc<Mutex<Vec<(ClaimKey, Duration)>>>,
    is_down: bool,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl ClaimStore for Recorder {
    const MAY_WAIT: bool = false;

    async fn claim(&self, key: ClaimKey, owner: Owner, lease: Duration) -> Result<ClaimOutcome> {
        if self.is_down {
            return Err("the store is down".into());
        }
        self.memory.claim(key, owner, lease).await
    }

    async fn renew(&self, key: ClaimKey, owner: Owner, lease: Duration) -> Result<LeaseState> {
        self.memory.renew(key, owner, lease).await
    }

    async fn complete(&self, key: ClaimKey, owner: Owner, time: Duration) -> Result<LeaseState> {
        self.completed.lock().unwrap().push((key, time));
        self.memory.complete(key, owner, time).await
    }

    async fn release(&self, key: ClaimKey, owner: Owner) -> Result<()> {
        self.memory.release(key, owner).await
    }

    async fn forget(&self, key: ClaimKey) -> Result<bool> {
        self.memory.forget(key).await
    }
}

async fn refusal(dedupe: &Dedupe, delivery: &Delivery) -> Option<Refusal> {
    dedupe.claim(delivery).await.err().map(|rejection| rejection.refusal())
}

#[tokio::test]
async fn each_outcome_of_a_claim_is_a_refusal_or_a_claim() {
    let dedupe = Dedupe::new(Claims::new(Recorder::default()), "test");
    let mail = delivery(MAIL);

    let claim = dedupe.claim(&mail).await.unwrap();
    assert_eq!(refusal(&dedupe, &mail).await, Some(Refusal::InFlight));
    claim.release().await;
    dedupe.claim(&mail).await.unwrap().complete().await;
    assert_eq!(refusal(&dedupe, &mail).await, Some(Refusal::AlreadyHandled));

    let down = Dedupe::new(Claims::new(Recorder { is_down: true, ..Recorder::default() }), "test");
    assert_eq!(refusal(&down, &mail).await, Some(Refusal::StoreUnavailable));
}

#[tokio::test]
async fn what_is_handled_is_remembered_for_as_long_as_a_copy_may_be_fresh() {
    let recorder = Recorder::default();
    let config = ClaimsConfig::default().with_retention(Duration::ZERO);
    let dedupe = Dedupe::new(Claims::with_config(recorder.clone(), config), "test");
    let day = Duration::from_secs(24 * 3_600);
    let tolerance = Tolerance::default().with_max_age(day * 30).unwrap();
    let config = WebhookConfig::new(Verifier::new(secret("a")).with_tolerance(tolerance))
        .with_body_timeout(Duration::from_secs(7))
        .with_clock(NOW);
    let signed = Signer::new(secret("a")).sign(NOW, MAIL.as_bytes());
    let head = RequestHead::new("/", &());

    let body = in_one_piece(Bytes::from_static(MAIL.as_bytes()));
    let received = config.receive(head, |header| signed.value(header), None, body).await;
    dedupe.claim(&received.unwrap()).await.unwrap().complete().await;

    // The tolerance is 30 days and 300 seconds, the body may take 7 seconds, and a minute is added
    // for the difference between two clocks.
    let time = Duration::from_secs(30 * 24 * 3_600 + 300 + 7 + 60);
    let key = ClaimKey::new("test", MessageKey::of_mail("my-agent", "a"));
    assert_eq!(*recorder.completed.lock().unwrap(), [(key, time)]);
}

#[test]
fn a_body_that_can_be_read_in_two_ways_is_known_by_its_bytes() {
    let twice = |first: &str, second: &str| {
        let ids = format!(r#""message_id":"{first}","message_id":"{second}""#);
        format!(r#"{{"type":"mail.received","agent_id":"a",{ids}}}"#)
    };
    let keys = [twice("a", "b"), twice("b", "a"), twice("a", "a")].map(|body| {
        let key = delivery(&body).message_key();
        assert_eq!(key, MessageKey::of_body(body.as_bytes()));
        key
    });

    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    assert!(!keys.contains(&MessageKey::of_mail("a", "a")));
}

#[test]
fn a_copy_has_the_same_key_and_another_message_has_another() {
    let again =
        r#"{"message_id":"\u0061","agent_id":"my-agent","type":"mail.received","subject":"x"}"#;

    assert_eq!(delivery(MAIL).message_key(), delivery(again).message_key());
    assert_ne!(
        delivery(MAIL).message_key(),
        delivery(&MAIL.replace("\"a\"", "\"b\"")).message_key()
    );
}
