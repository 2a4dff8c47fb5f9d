//! The order of the checks, the limits and the responses. All adapters share them.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmail_receive::{Delivery, Refusal, Rejection, RequestHead, WebhookConfig};
use agentmail_verify::{
    Event, MailReceived, Secret, SignedDelivery, SignedHeaders, Signer, UnixTime, Verifier,
    VerifyError, clock_fn,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const BODY: &[u8] =
    br#"{"type":"mail.received","agent_id":"a","message_id":"m","subject":"private"}"#;

fn verifier() -> Verifier {
    Verifier::new(Secret::new("whsec_test_secret").unwrap())
}

fn config() -> WebhookConfig {
    WebhookConfig::new(verifier()).with_clock(NOW).with_body_limit(1_000)
}

fn sign(body: &[u8]) -> SignedDelivery {
    Signer::new(Secret::new("whsec_test_secret").unwrap()).sign(NOW, body)
}

async fn receive<E>(
    config: &WebhookConfig,
    signed: &SignedDelivery,
    length: Option<u64>,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Delivery, Refusal> {
    let received = config.receive(head(), |header| signed.value(header), length, body).await;
    received.map_err(|rejection| rejection.refusal())
}

/// Returns a head for configurations without a lookup.
fn head() -> RequestHead<'static> {
    RequestHead::new("/", &())
}

fn pieces(pieces: &[&'static [u8]]) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let pieces: Vec<_> = pieces.iter().map(|piece| Ok(Bytes::from_static(piece))).collect();
    stream::iter(pieces)
}

/// Returns an endless body of 100-byte pieces, and the number of pieces that were read.
fn endless() -> (impl Stream<Item = Result<Bytes, Infallible>>, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let body = stream::repeat_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(Bytes::from_static(&[b'x'; 100]))
    });
    (body, taken)
}

#[tokio::test]
async fn returns_what_was_signed() {
    let delivery = receive(&config(), &sign(BODY), Some(78), pieces(&[BODY])).await.unwrap();

    assert_eq!(delivery.body(), BODY);
    assert_eq!(delivery.body().as_ptr(), BODY.as_ptr(), "a body of one piece is not copied");
    assert_eq!(delivery.receipt().signed_at(), NOW);
    assert_eq!(delivery.json::<MailReceived>().unwrap().message_id, "m");
}

#[tokio::test]
async fn accepts_a_body_in_pieces() {
    let (head, tail) = BODY.split_at(10);

    let delivery = receive(&config(), &sign(BODY), None, pieces(&[head, b"", tail])).await;

    assert_eq!(delivery.unwrap().body(), BODY);
}

#[tokio::test]
async fn refuses_by_the_headers_before_the_body_is_polled() {
    let later = UnixTime::from_secs(1_700_000_301);
    for (name, config, length, expected) in [
        ("stale", config().with_clock(later), None, "stale"),
        ("too long", config(), Some(1_001), "body_too_large"),
        ("stale and too long", config().with_clock(later), Some(1_001), "stale"),
        ("10 GiB", config(), Some(10 << 30), "body_too_large"),
        ("u64::MAX", config(), Some(u64::MAX), "body_too_large"),
    ] {
        let (body, taken) = endless();

        let refusal = receive(&config, &sign(BODY), length, body).await.unwrap_err();

        assert_eq!(refusal.code(), expected, "{name}");
        assert_eq!(taken.load(Ordering::Relaxed), 0, "{name}");
    }
}

#[tokio::test]
async fn an_unsigned_request_reads_neither_the_clock_nor_the_body() {
    let (body, taken) = endless();
    let config = config().with_clock(clock_fn(|| panic!("the clock was read")));

    let rejection = config.receive(head(), |_| None::<&[u8]>, None, body).await.unwrap_err();

    assert_eq!(rejection.refusal(), Refusal::Unverified(VerifyError::MissingSignature));
    assert_eq!(taken.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn reads_the_clock_once() {
    let readings = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&readings);
    let config = config().with_clock(clock_fn(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        NOW
    }));

    receive(&config, &sign(BODY), None, pieces(&[BODY])).await.unwrap();

    assert_eq!(readings.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn stops_reading_once_the_limit_is_passed() {
    let (body, taken) = endless();

    let refusal = receive(&config(), &sign(BODY), None, body).await.unwrap_err();

    assert_eq!(refusal.code(), "body_too_large");
    assert_eq!(refusal.status(), 413);
    assert_eq!(taken.load(Ordering::Relaxed), 11, "the eleventh piece exceeds 1,000 bytes");
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes() {
    let body: &'static [u8] = &[b'x'; 1_000];

    let delivery = receive(&config(), &sign(body), Some(1_000), pieces(&[body])).await.unwrap();

    assert_eq!(delivery.body().len(), 1_000);
    assert_eq!(delivery.json::<Event>().unwrap_err().refusal().code(), "malformed_json");
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_times_out() {
    let started = tokio::time::Instant::now();
    let body = pieces(&[b"{"]).chain(stream::pending());

    let refusal = receive(&config(), &sign(BODY), None, body).await.unwrap_err();

    assert_eq!((refusal.code(), refusal.status()), ("body_timeout", 408));
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_trickling_body_times_out_in_total() {
    let started = tokio::time::Instant::now();
    let body = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), ()))
    });

    let config = config().with_body_timeout(Duration::from_secs(7));
    let refusal = receive(&config, &sign(BODY), None, body).await.unwrap_err();

    assert_eq!(refusal.code(), "body_timeout");
    assert_eq!(started.elapsed().as_secs(), 7);
}

#[tokio::test]
async fn endless_empty_pieces_time_out_and_let_others_run() {
    let free = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::new()));
    // Consumes the budget of the task, as tokio's channels do.
    let budgeted = stream::repeat(()).then(|()| async {
        tokio::task::consume_budget().await;
        Ok::<_, Infallible>(Bytes::new())
    });

    for body in [free.boxed(), budgeted.boxed()] {
        let others = tokio::spawn(async {});
        let config = config().with_body_timeout(Duration::from_millis(1));

        let refusal = receive(&config, &sign(BODY), None, body).await.unwrap_err();

        assert_eq!(refusal.code(), "body_timeout");
        assert!(others.is_finished());
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let body = stream::iter([Ok(Bytes::from_static(BODY)), Err("reset")]);

    let refusal = receive(&config(), &sign(BODY), None, body).await.unwrap_err();

    assert_eq!(refusal, Refusal::UnreadableBody);
    assert_eq!(refusal.status(), 400);
}

#[tokio::test]
async fn a_tampered_body_is_refused() {
    let refusal = receive(&config(), &sign(BODY), None, pieces(&[BODY, b"\n"])).await.unwrap_err();

    assert_eq!(refusal, Refusal::Unverified(VerifyError::Mismatch));
}

#[tokio::test]
async fn explains_a_refusal_only_on_request() {
    for (explain, code) in [(false, None), (true, Some("unexpected_payload"))] {
        let config = config().with_problem_details(explain);
        let signed = sign(b"[\"private\"]");

        let body = pieces(&[b"[\"private\"]"]);
        let delivery =
            config.receive(head(), |header| signed.value(header), None, body).await.unwrap();
        let response = delivery.json::<Event>().unwrap_err().response();

        assert_eq!(response.status(), 422);
        assert_eq!(response.body().is_empty(), !explain);
        let problem: Option<serde_json::Value> = serde_json::from_slice(response.body()).ok();
        assert_eq!(problem.as_ref().and_then(|problem| problem["code"].as_str()), code);
        assert!(!format!("{response:?}").contains("private"));
    }
}

#[test]
fn debug_shows_neither_secret_nor_content() {
    let signed = sign(BODY);
    let headers = SignedHeaders::parse(|header| signed.value(header)).unwrap();
    let delivery = Delivery::verify(&verifier(), &headers, Bytes::from_static(BODY), NOW).unwrap();
    let body = pieces(&[BODY]);

    for shown in [
        format!("{delivery:?}"),
        format!("{:?}", config()),
        format!("{:?}", config().receive(head(), |header| signed.value(header), None, body)),
        format!("{:?}", delivery.json::<Vec<u8>>()),
        format!("{:?}", Rejection::from(Refusal::UnreadableBody)),
    ] {
        assert!(!shown.contains("private"), "{shown}");
        assert!(!shown.contains("whsec"), "{shown}");
    }
}

#[test]
fn a_delivery_cannot_be_made_of_other_bytes() {
    let signed = sign(BODY);
    let headers = SignedHeaders::parse(|header| signed.value(header)).unwrap();

    let outcome = Delivery::verify(&verifier(), &headers, Bytes::from_static(b"{}"), NOW);

    assert_eq!(outcome.unwrap_err(), VerifyError::Mismatch);
}
