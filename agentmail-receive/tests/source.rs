//! Sources of verifiers: one that is replaced while the receiver runs, and a lookup by agent.

mod common;

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmail_receive::{
    Lookup, Refusal, Rejection, RequestHead, Source, Tenant, WebhookConfig, path_segment,
};
use agentmail_verify::{Signer, UnixTime, Verifier, VerifyError};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use common::{NOW, body_of, in_one_piece, receive, receive_signed, secret, tenant};

fn agent(head: &RequestHead<'_>) -> Option<String> {
    path_segment(head.path(), "/agents/", "/webhook")
}

/// Looks up a tenant. The agents are `a` and `b`.
async fn two(agent: String) -> Result<Option<Tenant>, Infallible> {
    Ok(["a", "b"].contains(&&*agent).then(|| tenant(&agent)))
}

fn looked_up() -> WebhookConfig {
    WebhookConfig::new(Lookup::new(agent, two)).with_clock(NOW)
}

const MISMATCH: Refusal = Refusal::Unverified(VerifyError::Mismatch);

#[tokio::test]
async fn a_new_verifier_is_used_from_the_next_delivery() {
    let (verifiers, receiver) = watch::channel(Arc::new(Verifier::new(secret("old"))));
    let config = WebhookConfig::new(receiver).with_clock(NOW);
    let of = async |name| receive(&config, "a", name, body_of("a")).await.map(|it| *it.receipt());

    assert_eq!(of("old").await.unwrap().label().as_str(), "old");
    assert_eq!(of("new").await, Err(MISMATCH));

    let both = Verifier::new(secret("new")).with_secret_until(secret("old"), NOW).unwrap();
    verifiers.send_replace(Arc::new(both));
    assert_eq!(of("new").await.unwrap().label().as_str(), "new");
    assert_eq!(of("old").await.unwrap().label().as_str(), "old");

    verifiers.send_replace(Arc::new(Verifier::new(secret("new"))));
    drop(verifiers);
    assert_eq!(of("new").await.unwrap().label().as_str(), "new", "the last one stays");
    assert_eq!(of("old").await, Err(MISMATCH));
}

#[tokio::test(start_paused = true)]
async fn a_body_is_verified_with_the_verifier_of_the_time_its_headers_arrived() {
    let (verifiers, receiver) = watch::channel(Arc::new(Verifier::new(secret("old"))));
    let config = WebhookConfig::new(receiver).with_clock(NOW);
    let body = body_of("a");
    let signed = Signer::new(secret("old")).sign(NOW, &body);
    let slow = stream::once(async {
        sleep(Duration::from_secs(1)).await;
        Ok(body_of("a"))
    });

    let delivery = receive_signed(&config, "a", &signed, slow);
    let replace = async { verifiers.send_replace(Arc::new(Verifier::new(secret("new")))) };
    let (delivery, _) = tokio::join!(delivery, replace);

    assert_eq!(delivery.unwrap().receipt().label().as_str(), "old");
    assert_eq!(receive(&config, "a", "old", body).await.unwrap_err(), MISMATCH);
}

#[tokio::test]
async fn a_secret_is_valid_for_its_own_agent_only() {
    let config = looked_up();
    for (path, signer, named, expected) in [
        ("a", "a", "a", Ok(())),
        ("b", "b", "b", Ok(())),
        ("a", "b", "a", Err(MISMATCH)),
        ("a", "b", "b", Err(MISMATCH)),
        ("a", "a", "b", Err(Refusal::OtherAgent)),
        ("c", "a", "a", Err(Refusal::UnknownTenant)),
        ("", "a", "a", Err(Refusal::MissingTenant)),
    ] {
        let outcome = receive(&config, path, signer, body_of(named)).await.map(drop);

        assert_eq!(outcome, expected, "{signer}'s secret at {path}'s path, for {named:?}");
    }
}

#[tokio::test]
async fn a_fixed_tenant_accepts_its_own_agent_only() {
    let config = WebhookConfig::new(tenant("a")).with_clock(NOW);

    assert!(receive(&config, "x", "a", body_of("a")).await.is_ok());
    let other = receive(&config, "x", "a", body_of("b")).await;
    assert_eq!(other.unwrap_err(), Refusal::OtherAgent);
}

#[tokio::test]
async fn an_event_that_names_no_agent_belongs_to_the_tenant_whose_secret_signed_it() {
    for (body, code) in [
        ("", Some("malformed_json")),
        ("not json", Some("malformed_json")),
        ("[]", Some("unexpected_payload")),
        (r#"{"type":"mail.received","message_id":"m"}"#, Some("unexpected_payload")),
        (r#"{"agent_id":"a","agent_id":"a"}"#, Some("other_agent")),
        (r#"{"type":"mail.bounced"}"#, None),
        (r#"{"type":"mail.received","agent_id":"a","message_id":"m"}"#, None),
    ] {
        let outcome = receive(&looked_up(), "a", "a", body.into()).await;

        match outcome {
            Ok(delivery) => assert_eq!(delivery.tenant_agent_id(), Some("a"), "{body}"),
            Err(refusal) => assert_eq!(Some(refusal.code()), code, "{body}"),
        }
    }
}

#[tokio::test]
async fn the_lookup_runs_after_the_headers_are_parsed_and_before_the_other_checks() {
    let lookups = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&lookups);
    let lookup = Lookup::new(agent, move |agent| {
        counter.fetch_add(1, Ordering::Relaxed);
        two(agent)
    });
    let late = UnixTime::from_secs(1_700_000_301);
    let config = WebhookConfig::new(lookup).with_clock(late).with_body_limit(1);
    let signed = Signer::new(secret("a")).sign(NOW, b"{}");

    let unsigned = config.receive(
        RequestHead::new("/agents/a/webhook", &()),
        |_| None::<&[u8]>,
        None,
        in_one_piece(body_of("a")),
    );
    assert_eq!(unsigned.await.unwrap_err().refusal().code(), "missing_signature");
    assert_eq!(lookups.load(Ordering::Relaxed), 0);

    for (path, expected) in [("c", "unknown_tenant"), ("a", "stale")] {
        let unread = stream::poll_fn(|_| panic!("the body was read"));
        let outcome = receive_signed(&config, path, &signed, unread).await;
        assert_eq!(outcome.unwrap_err().code(), expected);
    }
    assert_eq!(lookups.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_lookup_may_take_until_its_timeout() {
    let config = |wait: u64| {
        let lookup = Lookup::new(agent, move |agent| async move {
            sleep(Duration::from_secs(wait)).await;
            two(agent).await
        });
        WebhookConfig::new(lookup).with_clock(NOW)
    };
    let started = Instant::now();

    assert!(receive(&config(4), "a", "a", body_of("a")).await.is_ok());
    assert_eq!(started.elapsed().as_secs(), 4);

    let refusal = receive(&config(6), "a", "a", body_of("a")).await.unwrap_err();
    assert_eq!((refusal.code(), refusal.status()), ("lookup_timeout", 503));
    assert_eq!(started.elapsed().as_secs(), 4 + 5);

    let patient = config(6).with_lookup_timeout(Duration::from_secs(7));
    assert!(receive(&patient, "a", "a", body_of("a")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_body_timeout_starts_after_the_lookup() {
    let lookup = Lookup::new(agent, |agent| async {
        sleep(Duration::from_secs(4)).await;
        two(agent).await
    });
    let config = WebhookConfig::new(lookup).with_clock(NOW);
    let signed = Signer::new(secret("a")).sign(NOW, b"{}");
    let started = Instant::now();

    let refusal = receive_signed(&config, "a", &signed, stream::pending().boxed()).await;

    assert_eq!(refusal.unwrap_err().code(), "body_timeout");
    assert_eq!(started.elapsed().as_secs(), 4 + 10);
}

#[tokio::test]
async fn a_failed_lookup_is_503_with_retry_after() {
    let failing = Lookup::new(agent, async |_| Err::<Option<Tenant>, _>("the store is down"));
    let panicking = Lookup::new(|_| -> Option<String> { panic!("on purpose") }, two);

    for lookup in [failing, panicking] {
        let config = WebhookConfig::new(lookup).with_clock(NOW);

        let refusal = receive(&config, "a", "a", body_of("a")).await.unwrap_err();

        assert_eq!((refusal.code(), refusal.status()), ("lookup_failed", 503));
        assert_eq!(retry_after(refusal), Some("5".to_owned()));
    }
    assert_eq!(retry_after(MISMATCH), None);
}

#[tokio::test]
async fn a_lookup_without_a_cache_is_cancelled_with_its_delivery() {
    let held = Arc::new(());
    let holder = Arc::clone(&held);
    let lookup = Lookup::new(agent, move |_: String| {
        let holder = Arc::clone(&holder);
        async move {
            let _held = holder;
            pending::<Result<_, Infallible>>().await
        }
    });
    let config = WebhookConfig::new(lookup).with_clock(NOW);
    let mut delivery = Box::pin(receive(&config, "a", "a", body_of("a")));

    assert!((&mut delivery).now_or_never().is_none());
    assert_eq!(Arc::strong_count(&held), 3);
    drop(delivery);
    assert_eq!(Arc::strong_count(&held), 2);
}

#[test]
fn debug_shows_labels_and_no_secret() {
    let (_verifiers, receiver) = watch::channel(Arc::new(Verifier::new(secret("old"))));
    for (source, shown) in [
        (Source::from(Verifier::new(secret("old"))), r#"["old"]"#),
        (Source::from(tenant("old")), r#"["old"]"#),
        (receiver.into(), r#"["old"]"#),
        (Lookup::new(agent, two).into(), "LookedUp"),
    ] {
        let text = format!("{:?}", WebhookConfig::new(source));

        assert!(text.contains(shown), "{text}");
        assert!(!text.contains("secret of"), "{text}");
    }
}

fn retry_after(refusal: Refusal) -> Option<String> {
    let response = Rejection::from(refusal).response();
    let mut headers = response.headers();
    headers.find(|(name, _)| *name == "retry-after").map(|(_, value)| value.to_owned())
}
