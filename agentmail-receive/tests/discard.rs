//! What is read of the rest of a refused body before the response is sent.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmail_receive::{RequestHead, WebhookConfig};
use agentmail_verify::{Secret, Signer, UnixTime, Verifier};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::Instant;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const KIB: usize = 1_024;

/// What one request has cost.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    code: &'static str,
    /// Until the refusal is known, in milliseconds.
    refused_after: u128,
    /// Until the response is sent, in milliseconds.
    answered_after: u128,
    /// How many bytes of the body were read.
    read: usize,
}

/// Receives a request with another secret's signature, and discards the rest of its body.
async fn refuse(
    config: &WebhookConfig,
    head: RequestHead<'_>,
    length: Option<u64>,
    body: impl Stream<Item = Result<Bytes, &'static str>>,
) -> Cost {
    let signed = Signer::new(Secret::new("another secret").unwrap()).sign(NOW, b"");
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let body = body.inspect(move |piece| {
        let len = piece.as_ref().map_or(0, Bytes::len);
        counter.fetch_add(len, Ordering::Relaxed);
    });
    let started = Instant::now();
    let mut receive = pin!(config.receive(head, |header| signed.value(header), length, body));

    let rejection = receive.as_mut().await.unwrap_err();
    let refused_after = started.elapsed().as_millis();
    poll_fn(|cx| receive.as_mut().poll_discard(cx)).await;
    // A second call has nothing to do.
    poll_fn(|cx| receive.as_mut().poll_discard(cx)).await;

    let code = rejection.refusal().code();
    let answered_after = started.elapsed().as_millis();
    Cost { code, refused_after, answered_after, read: read.load(Ordering::Relaxed) }
}

fn config() -> WebhookConfig {
    let verifier = Verifier::new(Secret::new("whsec_test_secret").unwrap());
    WebhookConfig::new(verifier).with_clock(NOW)
}

/// Refuses by the headers.
fn stale() -> WebhookConfig {
    config().with_clock(UnixTime::from_secs(1_800_000_000))
}

fn head() -> RequestHead<'static> {
    RequestHead::new("/", &())
}

fn body(kib: usize) -> impl Stream<Item = Result<Bytes, &'static str>> + Unpin {
    stream::iter(vec![Ok(Bytes::from_static(&[b'x'; KIB])); kib])
}

fn stalled(kib: usize) -> impl Stream<Item = Result<Bytes, &'static str>> + Unpin {
    body(kib).chain(stream::pending())
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_body_is_discarded_up_to_its_end() {
    let at_once = |code, read| Cost { code, refused_after: 0, answered_after: 0, read };

    for (kib, length) in [(0, None), (100, None), (1_000, Some(1_024_000)), (1_024, None)] {
        let cost = refuse(&stale(), head(), length, body(kib)).await;
        assert_eq!(cost, at_once("stale", kib * KIB), "{kib} KiB");
    }
    let cost = refuse(&config(), head(), None, body(300)).await;
    assert_eq!(cost, at_once("body_too_large", 300 * KIB));
    let cost = refuse(&config(), head(), Some(300 * 1_024), body(300)).await;
    assert_eq!(cost, at_once("body_too_large", 300 * KIB));
    // The whole body was read for the MAC.
    let cost = refuse(&config(), head(), None, body(100)).await;
    assert_eq!(cost, at_once("mismatch", 100 * KIB));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_beyond_a_mebibyte() {
    let cost = refuse(&stale(), head(), Some(1_048_577), body(2_000)).await;
    assert_eq!(cost.read, 0, "the declared length is beyond it");

    let cost = refuse(&stale(), head(), None, body(2_000)).await;
    assert_eq!(cost.read, 1_025 * KIB, "the piece that exceeds it is the last one");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_rest_costs_half_a_second_at_most() {
    let cost = refuse(&stale(), head(), None, stalled(10)).await;
    let expected = Cost { code: "stale", refused_after: 0, answered_after: 500, read: 10 * KIB };
    assert_eq!(cost, expected);

    let trickle = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Some((Ok(Bytes::from_static(b"x")), ()))
    });
    let cost = refuse(&stale(), head(), None, trickle.boxed()).await;
    assert_eq!(cost, Cost { code: "stale", refused_after: 0, answered_after: 500, read: 1 });
}

#[tokio::test(start_paused = true)]
async fn discarding_takes_no_longer_than_what_is_left_of_the_body_timeout() {
    let soon = stale().with_body_timeout(Duration::from_millis(200));
    assert_eq!(refuse(&soon, head(), None, stalled(1)).await.answered_after, 200);

    // The body exceeds the limit after 9.9 of its 10 seconds, and then stalls.
    let late = stream::once(async {
        tokio::time::sleep(Duration::from_millis(9_900)).await;
        Ok(Bytes::from_static(&[b'x'; 300 * KIB]))
    });
    let late = late.chain(stream::pending()).boxed();
    let cost = refuse(&config(), head(), None, late).await;
    assert_eq!((cost.code, cost.refused_after), ("body_too_large", 9_900));
    assert_eq!(cost.answered_after, 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_100_continue_is_not_asked_for_its_body() {
    let head = head().with_expect_continue(true);

    assert_eq!(refuse(&stale(), head, None, stalled(0)).await.answered_after, 0);
    assert_eq!(refuse(&stale(), head, None, body(10)).await.read, 0);
    // Once the body is read, the client sends it.
    let cost = refuse(&config(), head, None, body(300)).await;
    assert_eq!((cost.code, cost.read), ("body_too_large", 300 * KIB));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_has_timed_out_or_is_broken_is_not_read_on() {
    let cost = refuse(&config(), head(), None, stalled(1)).await;
    assert_eq!((cost.code, cost.answered_after), ("body_timeout", 10_000));

    let broken = stream::iter([Err("reset"), Ok(Bytes::from_static(b"more"))]);
    let cost = refuse(&config(), head(), None, broken).await;
    assert_eq!((cost.code, cost.read), ("unreadable_body", 0));
}

#[tokio::test]
async fn endless_pieces_let_the_deadline_and_other_tasks_run() {
    let empty = stream::repeat_with(|| Ok::<_, &str>(Bytes::new()));
    let others = tokio::spawn(async {});
    let soon = stale().with_body_timeout(Duration::from_millis(1));

    let cost = refuse(&soon, head(), None, empty).await;

    assert_eq!(cost.code, "stale");
    assert!(others.is_finished());
}
