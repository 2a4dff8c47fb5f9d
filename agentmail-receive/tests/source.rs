//! Where the verifier comes from: replaced while the receiver runs, and looked up per agent.

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

use agentmail_receive::{Lookup, Refusal, Rejection, RequestHead, Source, Tenant, WebhookConfig};
use agentmail_verify::{Signer, UnixTime, Verifier, VerifyError};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use common::{NOW, at_once, body_of, receive, receive_signed, secret, tenant};

fn agent(head: &RequestHead<'_>) -> Option<String> {
    head.segment_between("/agents/", "/webhook")
}

/// Knows the agents `a` and `b`.
async fn two(agent: String) -> Result<Option<Tenant>, Infallible> {
    Ok(["a", "b"].contains(&&*agent).then(|| tenant(&agent)))
}

fn looked_up() -> WebhookConfig {
    WebhookConfig::new(Lookup::new(agent, two)).clock(NOW)
}

const MISMATCH: Refusal = Refusal::Unverified(VerifyError::Mismatch);

#[tokio::test]
async fn a_verifier_that_was_sent_counts_from_the_next_delivery_on() {
    let (verifiers, receiver) = watch::channel(Arc::new(Verifier::new(secret("old"))));
    let config = WebhookConfig::new(receiver).clock(NOW);
    let of = async |name| receive(&config, "a", name, body_of("a")).await.map(|it| *it.receipt());

    assert_eq!(of("old").await.unwrap().label().as_str(), "old");
    assert_eq!(of("new").await, Err(MISMATCH));

    let both = Verifier::new(secret("new")).accept_until(secret("old"), NOW).unwrap();
    verifiers.send_replace(Arc::new(both));
    assert_eq!(of("new").await.unwrap().label().as_str(), "new");
    assert_eq!(of("old").await.unwrap().label().as_str(), "old");

    verifiers.send_replace(Arc::new(Verifier::new(secret("new"))));
    drop(verifiers);
    assert_eq!(of("new").await.unwrap().label().as_str(), "new", "the last one stays");
    assert_eq!(of("old").await, Err(MISMATCH));
}

#[tokio::test(start_paused = true)]
async fn a_body_on_its_way_is_verified_with_what_counted_when_its_headers_came() {
    let (verifiers, receiver) = watch::channel(Arc::new(Verifier::new(secret("old"))));
    let config = WebhookConfig::new(Source::watch(receiver)).clock(NOW);
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
async fn each_agent_speaks_for_itself_and_no_other() {
    let config = looked_up();
    for (path, signer, named, expected) in [
        ("a", "a", "a", Ok(())),
        ("b", "b", "b", Ok(())),
        ("a", "b", "a", Err(MISMATCH)),
        ("a", "b", "b", Err(MISMATCH)),
        ("a", "a", "b", Err(Refusal::OtherAgent)),
        ("a", "a", "", Err(Refusal::OtherAgent)),
        ("c", "a", "a", Err(Refusal::UnknownTenant)),
        ("", "a", "a", Err(Refusal::UnknownTenant)),
    ] {
        let outcome = receive(&config, path, signer, body_of(named)).await.map(drop);

        assert_eq!(outcome, expected, "{signer}'s secret at {path}'s path, for {named:?}");
    }
}

#[tokio::test]
async fn a_fixed_tenant_is_bound_too() {
    let config = WebhookConfig::new(tenant("a")).clock(NOW);

    assert!(receive(&config, "x", "a", body_of("a")).await.is_ok());
    let other = receive(&config, "x", "a", body_of("b")).await;
    assert_eq!(other.unwrap_err(), Refusal::OtherAgent);
}

#[tokio::test]
async fn a_body_that_names_no_agent_is_refused_by_a_tenant_of_one() {
    for body in ["", "not json", "[]", r#"{"agent_id":"a","agent_id":"a"}"#] {
        let outcome = receive(&looked_up(), "a", "a", body.into()).await;

        assert_eq!(outcome.unwrap_err(), Refusal::OtherAgent, "{body}");
    }
}

#[tokio::test]
async fn the_source_is_asked_after_the_headers_and_before_all_else() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let lookup = Lookup::new(agent, move |agent| {
        counter.fetch_add(1, Ordering::Relaxed);
        two(agent)
    });
    let late = UnixTime::from_secs(1_700_000_301);
    let config = WebhookConfig::new(lookup).clock(late).body_limit(1);
    let signed = Signer::new(secret("a")).sign(NOW, b"{}");

    let unsigned = config.receive(
        RequestHead::new("/agents/a/webhook", &()),
        |_| None::<&[u8]>,
        None,
        at_once(body_of("a")),
    );
    assert_eq!(unsigned.await.unwrap_err().refusal().code(), "missing_signature");
    assert_eq!(asked.load(Ordering::Relaxed), 0);

    for (path, expected) in [("c", "unknown_tenant"), ("a", "stale")] {
        let unread = stream::poll_fn(|_| panic!("the body was read"));
        let outcome = receive_signed(&config, path, &signed, unread).await;
        assert_eq!(outcome.unwrap_err().code(), expected);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_is_waited_for_until_its_timeout() {
    let config = |wait: u64| {
        let lookup = Lookup::new(agent, move |agent| async move {
            sleep(Duration::from_secs(wait)).await;
            two(agent).await
        });
        WebhookConfig::new(lookup).clock(NOW)
    };
    let started = Instant::now();

    assert!(receive(&config(4), "a", "a", body_of("a")).await.is_ok());
    assert_eq!(started.elapsed().as_secs(), 4);

    let refusal = receive(&config(6), "a", "a", body_of("a")).await.unwrap_err();
    assert_eq!((refusal.code(), refusal.status()), ("source_timeout", 503));
    assert_eq!(started.elapsed().as_secs(), 4 + 5);

    let patient = config(6).source_timeout(Duration::from_secs(7));
    assert!(receive(&patient, "a", "a", body_of("a")).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_body_has_all_its_time_after_a_slow_source() {
    let lookup = Lookup::new(agent, |agent| async {
        sleep(Duration::from_secs(4)).await;
        two(agent).await
    });
    let config = WebhookConfig::new(lookup).clock(NOW);
    let signed = Signer::new(secret("a")).sign(NOW, b"{}");
    let started = Instant::now();

    let refusal = receive_signed(&config, "a", &signed, stream::pending().boxed()).await;

    assert_eq!(refusal.unwrap_err().code(), "body_timeout");
    assert_eq!(started.elapsed().as_secs(), 4 + 10);
}

#[tokio::test]
async fn what_cannot_be_looked_up_is_503_and_may_be_tried_again() {
    let failing = Lookup::new(agent, async |_| Err::<Option<Tenant>, _>("the store is down"));
    let panicking = Lookup::new(|_| -> Option<String> { panic!("on purpose") }, two);

    for lookup in [failing, panicking] {
        let config = WebhookConfig::new(lookup).clock(NOW);

        let refusal = receive(&config, "a", "a", body_of("a")).await.unwrap_err();

        assert_eq!((refusal.code(), refusal.status()), ("source_failed", 503));
        assert_eq!(Rejection::from(refusal).answer().retry_after, Some(5));
    }
    assert_eq!(Rejection::from(MISMATCH).answer().retry_after, None);
}

#[tokio::test]
async fn a_question_ends_with_its_delivery() {
    let held = Arc::new(());
    let holder = Arc::clone(&held);
    let lookup = Lookup::new(agent, move |_: String| {
        let holder = Arc::clone(&holder);
        async move {
            let _held = holder;
            pending::<Result<_, Infallible>>().await
        }
    });
    let config = WebhookConfig::new(lookup).clock(NOW);
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
