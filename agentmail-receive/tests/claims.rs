//! What becomes of a claim, whatever happens to the task that holds it.
#![cfg(feature = "dedupe")]
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

use std::{
    future::{pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use agentmail_receive::{
    Backend, Dedupe, Delivery, Key, Memory, Refusal, RequestHead, Store, WebhookConfig,
    dedupe::{BackendResult, Claimed, Holding, Owner},
};
use agentmail_verify::{Header, Secret, SignedHeaders, Signer, Tolerance, UnixTime, Verifier};
use bytes::Bytes;
use futures_util::{FutureExt, stream};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const MAIL: &str = r#"{"type":"mail.received","agent_id":"my-agent","message_id":"a"}"#;

fn verifier() -> Verifier {
    Verifier::new(Secret::new("whsec_test_secret").unwrap())
}

fn delivery(body: &str) -> Delivery {
    let signed = Signer::new(Secret::new("whsec_test_secret").unwrap()).sign(NOW, body.as_bytes());
    let headers = SignedHeaders::read(|header| signed.lines(header)).unwrap();
    Delivery::verify(&verifier(), &headers, Bytes::from(body.to_owned()), NOW).unwrap()
}

/// Memory that keeps a record of calls, and can be told not to answer.
#[derive(Clone, Default)]
struct Recorder {
    memory: Memory,
    calls: Arc<Mutex<Vec<String>>>,
    owner: Arc<Mutex<Option<Owner>>>,
    silent: Arc<AtomicBool>,
    slow: Arc<AtomicBool>,
    failures: Arc<AtomicUsize>,
}

impl Recorder {
    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// Notes a call; waits for ever where the store is told to be silent, once it is carried out.
    async fn note<T>(
        &self,
        call: String,
        answer: impl Future<Output = BackendResult<T>>,
    ) -> BackendResult<T> {
        let answer = answer.await;
        if self.slow.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.calls.lock().unwrap().push(call);
        if self.silent.swap(false, Ordering::SeqCst) {
            return pending().await;
        }
        let one_less = |left: usize| left.checked_sub(1);
        match self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
            Ok(_) => Err("as planned".into()),
            Err(_) => answer,
        }
    }
}

impl Backend for Recorder {
    async fn claim(&self, key: Key, owner: Owner, lease: Duration) -> BackendResult<Claimed> {
        *self.owner.lock().unwrap() = Some(owner);
        self.note("claim".into(), self.memory.claim(key, owner, lease)).await
    }

    async fn renew(&self, key: Key, owner: Owner, lease: Duration) -> BackendResult<Holding> {
        self.note("renew".into(), self.memory.renew(key, owner, lease)).await
    }

    async fn complete(
        &self,
        key: Key,
        owner: Owner,
        retention: Duration,
    ) -> BackendResult<Holding> {
        let call = format!("complete for {} s", retention.as_secs());
        self.note(call, self.memory.complete(key, owner, retention)).await
    }

    async fn release(&self, key: Key, owner: Owner) -> BackendResult<()> {
        self.note("release".into(), self.memory.release(key, owner)).await
    }

    async fn forget(&self, key: Key) -> BackendResult<bool> {
        self.memory.forget(key).await
    }
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

const COMPLETE: &str = "complete for 259200 s";

#[tokio::test]
async fn a_claim_is_completed_or_released_by_what_the_handler_answered() {
    for (succeeded, calls, next) in [
        (true, ["claim", COMPLETE], Some(Refusal::AlreadyHandled)),
        (false, ["claim", "release"], None),
    ] {
        let recorder = Recorder::default();
        let dedupe = Dedupe::new(Store::new(recorder.clone()), "test");

        dedupe.claim(&delivery(MAIL)).await.unwrap().end(succeeded).await;

        assert_eq!(recorder.calls(), calls);
        let again = dedupe.claim(&delivery(MAIL)).await;
        assert_eq!(again.err().map(|rejection| rejection.refusal()), next);
    }
}

#[tokio::test]
async fn a_claim_that_is_dropped_frees_its_message() {
    let recorder = Recorder::default();
    let dedupe = Dedupe::new(Store::new(recorder.clone()), "test");

    drop(dedupe.claim(&delivery(MAIL)).await.unwrap());
    until(|| recorder.calls().len() == 2).await;

    assert_eq!(recorder.calls(), ["claim", "release"]);
    assert!(dedupe.claim(&delivery(MAIL)).await.is_ok());
}

#[test]
fn a_claim_can_be_dropped_outside_of_any_runtime_and_by_a_panic() {
    let recorder = Recorder::default();
    let dedupe = Dedupe::new(Store::new(recorder.clone()), "test");
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();

    for _ in 0..2 {
        let claim = runtime.block_on(async {
            loop {
                if let Ok(claim) = dedupe.claim(&delivery(MAIL)).await {
                    break claim;
                }
            }
        });
        let panicked = thread::spawn(move || {
            let _claim = claim;
            panic!("as planned");
        });
        assert!(panicked.join().is_err());
    }
}

#[tokio::test]
async fn a_completion_that_is_cancelled_is_made_up_for_and_never_released() {
    let recorder = Recorder::default();
    let store = Store::new(recorder.clone());
    let dedupe = Dedupe::new(store.clone(), "test");
    let claim = dedupe.claim(&delivery(MAIL)).await.unwrap();

    recorder.silent.store(true, Ordering::SeqCst);
    let end = tokio::spawn(claim.end(true));
    until(|| recorder.calls().len() == 2).await;
    end.abort();
    assert!(end.await.is_err());
    store.drain().await;

    assert_eq!(recorder.calls(), ["claim", COMPLETE, COMPLETE]);
    assert_eq!(store.counts().completed, 1);
}

#[tokio::test]
async fn a_claim_that_was_granted_too_late_is_given_back() {
    let recorder = Recorder::default();
    let store = Store::new(recorder.clone()).with_deadline(Duration::from_millis(50));
    let dedupe = Dedupe::new(store.clone(), "test");

    recorder.silent.store(true, Ordering::SeqCst);
    let refused = dedupe.claim(&delivery(MAIL)).await.unwrap_err();
    assert_eq!(refused.refusal(), Refusal::StoreUnavailable);
    // Nothing is held that would have to be waited for.
    store.drain().await;
    until(|| recorder.calls().len() == 2).await;

    assert_eq!(recorder.calls(), ["claim", "release"]);
    assert!(dedupe.claim(&delivery(MAIL)).await.is_ok());
}

#[test]
fn a_task_that_is_held_up_does_not_handle_what_it_was_granted_long_ago() {
    let lease = Duration::from_secs(1);
    let recorder = Recorder::default();
    recorder.slow.store(true, Ordering::SeqCst);
    // Not even where a delivery may be handled without a claim: somebody else may have had it meanwhile.
    let store = Store::new(recorder).with_lease(lease).unwrap().danger_handle_unclaimed();
    let dedupe = Dedupe::new(store.clone(), "test");
    let mut builder = tokio::runtime::Builder::new_current_thread();

    let claimed = builder.enable_all().build().unwrap().block_on(async {
        let claim = tokio::spawn(async move { dedupe.claim(&delivery(MAIL)).await });
        tokio::task::yield_now().await;
        // A handler on the same thread blocks it, while the claim is granted on the store's own.
        thread::sleep(lease);
        claim.await.unwrap()
    });

    assert_eq!(claimed.unwrap_err().refusal(), Refusal::StoreUnavailable);
    assert_eq!(store.counts().unavailable, 1);
}

#[tokio::test]
async fn an_ended_claim_is_renewed_no_longer() {
    let lease = Duration::from_secs(1);
    for succeeded in [true, false] {
        let recorder = Recorder::default();
        let store = Store::new(recorder.clone()).with_lease(lease).unwrap();
        let dedupe = Dedupe::new(store.clone(), "test");

        let claim = dedupe.claim(&delivery(MAIL)).await.unwrap();
        until(|| recorder.calls().contains(&"renew".into())).await;
        claim.end(succeeded).await;
        let calls = recorder.calls().len();
        tokio::time::sleep(lease).await;

        // One may have been on its way.
        let renewed = recorder.calls().split_off(calls);
        assert!(renewed.len() <= 1, "{renewed:?}");
        assert_eq!(store.counts().lost, 0);
    }
}

#[tokio::test]
async fn a_claim_that_is_lost_while_its_handler_runs_is_counted_once() {
    let recorder = Recorder::default();
    let store = Store::new(recorder.clone()).with_lease(Duration::from_secs(1)).unwrap();
    let dedupe = Dedupe::new(store.clone(), "test");
    let claim = dedupe.claim(&delivery(MAIL)).await.unwrap();

    let (key, owner) = (claim.key(), recorder.owner.lock().unwrap().unwrap());
    recorder.memory.release(key, owner).await.unwrap();
    recorder.memory.claim(key, Owner::random(), Duration::from_secs(60)).await.unwrap();
    until(|| store.counts().lost == 1).await;
    claim.end(true).await;

    let counts = store.counts();
    assert_eq!((counts.lost, counts.completed), (1, 0));
    let again = dedupe.claim(&delivery(MAIL)).await.unwrap_err();
    assert_eq!(again.refusal(), Refusal::InFlight, "the other one's claim is left alone");
}

#[tokio::test]
async fn a_record_is_tried_again_for_as_long_as_the_renewed_lease_lasts() {
    let lease = Duration::from_secs(4);
    let recorder = Recorder::default();
    let store = Store::new(recorder.clone()).with_lease(lease).unwrap();
    let dedupe = Dedupe::new(store.clone(), "test");
    let claim = dedupe.claim(&delivery(MAIL)).await.unwrap();

    // Longer than the lease that it was granted.
    tokio::time::sleep(lease + lease / 8).await;
    recorder.failures.store(3, Ordering::SeqCst);
    claim.end(true).await;
    store.drain().await;

    let counts = store.counts();
    assert_eq!((counts.completed, counts.completions_abandoned), (1, 0));
    assert_eq!(counts.completions_deferred, 1);
}

#[tokio::test]
async fn what_is_handled_is_remembered_for_as_long_as_a_copy_may_be_fresh() {
    let recorder = Recorder::default();
    let dedupe = Dedupe::new(Store::new(recorder.clone()).with_retention(Duration::ZERO), "test");
    let day = Duration::from_secs(24 * 3_600);
    let tolerance = Tolerance::default().with_max_age(day * 30).unwrap();
    let config = WebhookConfig::new(verifier().with_tolerance(tolerance))
        .body_timeout(Duration::from_secs(7))
        .clock(NOW);
    let signed = Signer::new(Secret::new("whsec_test_secret").unwrap()).sign(NOW, MAIL.as_bytes());
    let body = stream::once(ready(Ok::<_, std::io::Error>(MAIL.as_bytes())));
    let head = RequestHead::new("/", &());
    let received = config.receive(head, |header: Header| signed.lines(header), None, body);

    let delivery = received.now_or_never().unwrap().unwrap();
    dedupe.claim(&delivery).await.unwrap().end(true).await;

    // 30 days and 300 seconds of tolerance, the body's 7 seconds, and a minute for two clocks.
    let seconds = 30 * 24 * 3_600 + 300 + 7 + 60;
    assert_eq!(recorder.calls(), ["claim".into(), format!("complete for {seconds} s")]);
}

#[tokio::test]
async fn a_body_that_can_be_read_in_two_ways_is_known_by_its_bytes() {
    let twice = |first: &str, second: &str| {
        format!(r#"{{"type":"t","agent_id":"a","message_id":"{first}","message_id":"{second}"}}"#)
    };
    let keys = [twice("a", "b"), twice("b", "a"), twice("a", "a")].map(|body| {
        let key = Key::of_delivery("test", &delivery(&body));
        assert_eq!(key, Key::of_body("test", body.as_bytes()));
        key
    });

    assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
    assert!(!keys.contains(&Key::of_message("test", "t", "a", "a")));
}

#[test]
fn a_lease_that_could_not_be_renewed_in_time_is_no_setting() {
    for (lease, fits) in [(0, false), (999, false), (1_000, true), (86_400_000, true)] {
        let store = Store::new(Memory::new()).with_lease(Duration::from_millis(lease));
        assert_eq!(store.is_ok(), fits, "{lease} ms");
    }
    let error = Store::new(Memory::new()).with_lease(Duration::MAX).unwrap_err();
    assert_eq!(error.to_string(), "the lease of a claim must be between a second and a day");
}
