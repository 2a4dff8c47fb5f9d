//! The ways in which a claim ends.
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

use std::{
    error::Error,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use agentmail_dedupe::{
    BoxError, Claim, ClaimError, ClaimKey, ClaimOutcome, ClaimStore, Claims, ClaimsConfig,
    LeaseState, MemoryStore, Owner, StoreError,
};

const FRESH_FOR: Duration = Duration::from_secs(600);
const COMPLETE: &str = "complete for 259200 s";

fn key() -> ClaimKey {
    ClaimKey::new("test", [7; 32])
}

/// A store in memory that records its calls. A test can make it fail or not respond.
#[derive(Clone, Default)]
struct Recorder {
    memory: MemoryStore,
    calls: Arc<Mutex<Vec<String>>>,
    owner: Arc<Mutex<Option<Owner>>>,
    /// Whether the next call is carried out without a response.
    silent: Arc<AtomicBool>,
    slow: Arc<AtomicBool>,
    /// How many of the next calls fail, and are not carried out.
    failures: Arc<AtomicUsize>,
    panics: Arc<AtomicBool>,
}

impl Recorder {
    fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn fail(&self, calls: usize) {
        self.failures.store(calls, Ordering::SeqCst);
    }

    /// Ends the lease of the test's claim.
    async fn end_lease(&self) {
        let owner = self.owner.lock().unwrap().unwrap();
        self.memory.release(key(), owner).await.unwrap();
    }

    /// Gives the claim of the test to another owner.
    async fn take_over(&self, key: ClaimKey) {
        self.end_lease().await;
        let claimed = self.memory.claim(key, Owner::random(), FRESH_FOR).await.unwrap();
        assert_eq!(claimed, ClaimOutcome::Granted);
    }

    async fn record<T>(
        &self,
        call: impl Into<String>,
        result: impl Future<Output = Result<T, BoxError>>,
    ) -> Result<T, BoxError> {
        let one_less = |left: usize| left.checked_sub(1);
        let fails =
            self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok();
        let result = if fails { Err("as planned".into()) } else { result.await };
        if self.slow.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.calls.lock().unwrap().push(call.into());
        if self.silent.swap(false, Ordering::SeqCst) {
            return pending().await;
        }
        assert!(!self.panics.load(Ordering::SeqCst), "as planned");
        result
    }
}

impl ClaimStore for Recorder {
    async fn claim(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<ClaimOutcome, BoxError> {
        *self.owner.lock().unwrap() = Some(owner);
        self.record("claim", self.memory.claim(key, owner, lease)).await
    }

    async fn renew(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<LeaseState, BoxError> {
        self.record("renew", self.memory.renew(key, owner, lease)).await
    }

    async fn complete(
        &self,
        key: ClaimKey,
        owner: Owner,
        retention: Duration,
    ) -> Result<LeaseState, BoxError> {
        let call = format!("complete for {} s", retention.as_secs());
        self.record(call, self.memory.complete(key, owner, retention)).await
    }

    async fn release(&self, key: ClaimKey, owner: Owner) -> Result<(), BoxError> {
        self.record("release", self.memory.release(key, owner)).await
    }

    async fn forget(&self, key: ClaimKey) -> Result<bool, BoxError> {
        self.record("forget", self.memory.forget(key)).await
    }
}

fn with_lease(seconds: u64) -> ClaimsConfig {
    ClaimsConfig::default().with_lease(Duration::from_secs(seconds)).unwrap()
}

async fn claim(claims: &Claims) -> Result<Claim, ClaimError> {
    claims.claim(key(), FRESH_FOR).await
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn end(claim: Claim, succeeded: bool) {
    if succeeded { claim.complete().await } else { claim.release().await }
}

#[tokio::test]
async fn a_completed_message_is_not_claimed_again() {
    let recorder = Recorder::default();
    let claims = Claims::new(recorder.clone());

    claim(&claims).await.unwrap().complete().await;

    assert_eq!(recorder.calls(), ["claim", COMPLETE]);
    assert!(matches!(claim(&claims).await, Err(ClaimError::AlreadyHandled)));
    let stats = claims.stats();
    assert_eq!((stats.claimed, stats.completed, stats.already_handled), (1, 1, 1));
}

#[tokio::test]
async fn a_released_message_is_claimed_again() {
    let recorder = Recorder::default();
    let claims = Claims::new(recorder.clone());

    claim(&claims).await.unwrap().release().await;

    assert_eq!(recorder.calls(), ["claim", "release"]);
    let stats = claims.stats();
    assert_eq!((stats.claimed, stats.released), (1, 1));
    assert!(claim(&claims).await.is_ok());
}

#[tokio::test]
async fn a_claimed_message_is_in_flight() {
    let claims = Claims::new(Recorder::default());

    let first = claim(&claims).await.unwrap();

    assert!(matches!(claim(&claims).await, Err(ClaimError::InFlight)));
    assert_eq!(claims.stats().in_flight, 1);
    first.release().await;
}

#[tokio::test]
async fn dropping_a_claim_releases_its_message() {
    let recorder = Recorder::default();
    let claims = Claims::new(recorder.clone());

    drop(claim(&claims).await.unwrap());
    until(|| recorder.calls().len() == 2).await;

    assert_eq!(recorder.calls(), ["claim", "release"]);
    assert!(claim(&claims).await.is_ok());
}

#[test]
fn a_claim_can_be_dropped_outside_of_any_runtime_and_by_a_panic() {
    let claims = Claims::new(Recorder::default());
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();

    for _ in 0..2 {
        let claim = runtime.block_on(async {
            loop {
                if let Ok(claim) = claim(&claims).await {
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
async fn a_completion_that_is_cancelled_is_repeated_and_never_released() {
    let recorder = Recorder::default();
    let claims = Claims::new(recorder.clone());
    let claim = claim(&claims).await.unwrap();

    recorder.silent.store(true, Ordering::SeqCst);
    let completion = tokio::spawn(claim.complete());
    until(|| recorder.calls().len() == 2).await;
    completion.abort();
    assert!(completion.await.is_err());
    claims.drain().await;

    assert_eq!(recorder.calls(), ["claim", COMPLETE, COMPLETE]);
    assert_eq!(claims.stats().completed, 1);
}

#[tokio::test]
async fn a_completion_in_the_background_is_found_by_the_next_claim() {
    for may_wait in [true, false] {
        let claims = match may_wait {
            true => Claims::new(Recorder::default()),
            false => Claims::new(MemoryStore::new()),
        };
        for number in 0..=u8::MAX {
            let key = ClaimKey::new("test", [number; 32]);
            claims.claim(key, FRESH_FOR).await.unwrap().complete_in_background().await;
            let copy = claims.claim(key, FRESH_FOR).await;
            assert!(matches!(copy, Err(ClaimError::AlreadyHandled)), "{may_wait}: {copy:?}");
        }
    }
}

#[tokio::test]
async fn a_completion_in_the_background_is_repeated_and_nobody_waits_for_it() {
    let recorder = Recorder::default();
    let config = ClaimsConfig::default().with_deadline(Duration::from_millis(50));
    let claims = Claims::with_config(recorder.clone(), config);
    let claim = claim(&claims).await.unwrap();

    recorder.silent.store(true, Ordering::SeqCst);
    claim.complete_in_background().await;
    assert_eq!(claims.stats().completed, 0, "the store has not responded");
    claims.drain().await;

    assert_eq!(recorder.calls(), ["claim", COMPLETE, COMPLETE]);
    let stats = claims.stats();
    assert_eq!((stats.completed, stats.completions_deferred), (1, 1));
}

#[tokio::test]
async fn a_claim_without_a_response_is_released_in_case_it_was_granted() {
    let recorder = Recorder::default();
    let config = ClaimsConfig::default().with_deadline(Duration::from_millis(50));
    let claims = Claims::with_config(recorder.clone(), config);

    recorder.silent.store(true, Ordering::SeqCst);
    let refused = claim(&claims).await.unwrap_err();
    assert!(matches!(refused, ClaimError::Unavailable(StoreError::Timeout { .. })), "{refused:?}");
    // There is no claim for which `drain` would have to wait.
    claims.drain().await;
    until(|| recorder.calls().len() == 2).await;

    assert_eq!(recorder.calls(), ["claim", "release"]);
    assert_eq!(claims.stats().released, 0);
    assert!(claim(&claims).await.is_ok());
}

#[test]
fn a_delayed_task_does_not_get_a_claim_that_was_granted_long_ago() {
    let lease = Duration::from_secs(1);
    let recorder = Recorder::default();
    recorder.slow.store(true, Ordering::SeqCst);
    // This switch changes nothing here, because another attempt may have had the claim since then.
    let claims = Claims::with_config(recorder, with_lease(1).danger_handle_unclaimed());
    let mut builder = tokio::runtime::Builder::new_current_thread();

    let claimed = builder.enable_all().build().unwrap().block_on(async {
        let claims = claims.clone();
        let claim = tokio::spawn(async move { claim(&claims).await });
        tokio::task::yield_now().await;
        // A handler blocks this thread, while the background thread gets the claim.
        thread::sleep(lease);
        claim.await.unwrap()
    });

    let refused = claimed.unwrap_err();
    assert!(matches!(refused, ClaimError::Unavailable(StoreError::LeaseExpired)), "{refused:?}");
    assert_eq!((claims.stats().unavailable, claims.stats().unclaimed), (1, 0));
}

#[tokio::test]
async fn an_ended_claim_is_no_longer_renewed() {
    for succeeded in [true, false] {
        let recorder = Recorder::default();
        let claims = Claims::with_config(recorder.clone(), with_lease(1));

        let claim = claim(&claims).await.unwrap();
        until(|| recorder.calls().contains(&"renew".into())).await;
        end(claim, succeeded).await;
        let calls = recorder.calls().len();
        tokio::time::sleep(Duration::from_secs(1)).await;

        // One renewal may have begun before the end.
        let renewed = recorder.calls().split_off(calls);
        assert!(renewed.len() <= 1, "{renewed:?}");
        assert_eq!(claims.stats().lost, 0);
    }
}

#[tokio::test]
async fn a_claim_that_is_lost_while_its_handler_runs_is_counted_once() {
    let recorder = Recorder::default();
    let claims = Claims::with_config(recorder.clone(), with_lease(1));
    let first = claim(&claims).await.unwrap();

    recorder.take_over(key()).await;
    until(|| claims.stats().lost == 1).await;
    first.complete().await;

    let stats = claims.stats();
    assert_eq!((stats.lost, stats.completed), (1, 0));
    let copy = claim(&claims).await;
    assert!(matches!(copy, Err(ClaimError::AlreadyHandled)), "its handler has succeeded");
}

#[tokio::test]
async fn a_claim_that_is_found_lost_when_it_is_completed_is_counted_once() {
    for failures in [0, 2] {
        let recorder = Recorder::default();
        let claims = Claims::new(recorder.clone());
        let first = claim(&claims).await.unwrap();

        recorder.take_over(key()).await;
        recorder.fail(failures);
        first.complete().await;
        claims.drain().await;

        let stats = claims.stats();
        assert_eq!((stats.lost, stats.completed), (1, 0), "{failures} failures");
    }
}

#[tokio::test]
async fn a_message_that_two_attempts_have_claimed_is_not_released_after_one_has_completed_it() {
    let recorder = Recorder::default();
    let claims = Claims::new(recorder.clone());
    let late = claim(&claims).await.unwrap();
    recorder.end_lease().await;
    let other = claim(&claims).await.unwrap();

    late.complete().await;
    other.release().await;

    assert!(matches!(claim(&claims).await, Err(ClaimError::AlreadyHandled)));
    let stats = claims.stats();
    assert_eq!((stats.lost, stats.completed, stats.released), (1, 0, 1));
}

#[tokio::test]
async fn a_claim_that_ended_is_completed_if_nobody_else_has_the_message() {
    let recorder = Recorder::default();
    let claims = Claims::new(recorder.clone());
    let first = claim(&claims).await.unwrap();

    recorder.end_lease().await;
    first.complete().await;

    assert_eq!((claims.stats().completed, claims.stats().lost), (1, 0));
    assert!(matches!(claim(&claims).await, Err(ClaimError::AlreadyHandled)));
}

#[tokio::test]
async fn a_completion_is_repeated_for_as_long_as_the_renewed_lease_lasts() {
    let lease = Duration::from_secs(4);
    let recorder = Recorder::default();
    let claims = Claims::with_config(recorder.clone(), with_lease(4));
    let claim = claim(&claims).await.unwrap();

    // Longer than the lease that was granted.
    tokio::time::sleep(lease + lease / 8).await;
    recorder.fail(3);
    claim.complete().await;
    claims.drain().await;

    let stats = claims.stats();
    assert_eq!((stats.completed, stats.completions_abandoned), (1, 0));
    assert_eq!(stats.completions_deferred, 1);
}

#[tokio::test]
async fn a_completion_that_fails_until_the_lease_ends_is_abandoned() {
    let recorder = Recorder::default();
    let claims = Claims::with_config(recorder.clone(), with_lease(1));
    let claim = claim(&claims).await.unwrap();

    recorder.fail(usize::MAX);
    claim.complete().await;
    claims.drain().await;

    let stats = claims.stats();
    assert_eq!((stats.completions_deferred, stats.completions_abandoned), (1, 1));
    assert_eq!(stats.completed, 0);
}

#[tokio::test]
async fn a_release_that_fails_is_repeated() {
    let recorder = Recorder::default();
    let claims = Claims::new(recorder.clone());
    let first = claim(&claims).await.unwrap();

    recorder.fail(2);
    first.release().await;
    assert_eq!(claims.stats().released, 0);
    claims.drain().await;

    assert_eq!(claims.stats().released, 1);
    assert!(claim(&claims).await.is_ok());
}

#[tokio::test]
async fn a_message_is_remembered_for_as_long_as_a_copy_can_arrive() {
    let recorder = Recorder::default();
    let config = ClaimsConfig::default().with_retention(Duration::ZERO);
    let claims = Claims::with_config(recorder.clone(), config);

    claims.claim(key(), Duration::from_secs(2_592_000)).await.unwrap().complete().await;

    // The 30 days, and a minute for the difference between two clocks.
    assert_eq!(recorder.calls(), ["claim", "complete for 2592060 s"]);
}

#[tokio::test]
async fn a_store_that_fails_or_panics_is_unavailable() {
    let recorder = Recorder::default();
    let claims = Claims::new(recorder.clone());

    recorder.fail(1);
    let failed = claim(&claims).await.unwrap_err();
    recorder.panics.store(true, Ordering::SeqCst);
    let panicked = claim(&claims).await.unwrap_err();
    recorder.panics.store(false, Ordering::SeqCst);

    for refused in [failed, panicked] {
        let ClaimError::Unavailable(StoreError::Failed(error)) = refused else {
            panic!("{refused:?}");
        };
        assert!(error.to_string().contains("as planned"), "{error}");
    }
    assert_eq!(claims.stats().unavailable, 2);
    // Both claims were granted. Both are released in the background.
    while claim(&claims).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_error_shows_each_cause_once() {
    let recorder = Recorder::default();
    let claims = Claims::new(recorder.clone());

    recorder.fail(1);
    let refused = claim(&claims).await.unwrap_err();

    let failed = refused.source().unwrap();
    let cause = failed.source().unwrap();
    let texts = [refused.to_string(), failed.to_string(), cause.to_string()];
    assert_eq!(texts, ["the message could not be claimed", "the store failed", "as planned"]);
    assert!(cause.source().is_none());
}

#[tokio::test]
async fn a_message_is_handled_without_a_claim_only_if_that_is_switched_on() {
    let recorder = Recorder::default();
    let config = ClaimsConfig::default().danger_handle_unclaimed();
    let claims = Claims::with_config(recorder.clone(), config);

    for succeeded in [true, false] {
        recorder.fail(1);
        let unclaimed = claim(&claims).await.unwrap();
        // The claim may have been granted, so it is released in the background. The guard itself
        // has no claim to end.
        until(|| recorder.calls() == ["claim", "release"]).await;
        assert_eq!(unclaimed.key(), key());
        end(unclaimed, succeeded).await;
        claims.drain().await;
        assert_eq!(recorder.calls(), ["claim", "release"]);
        recorder.calls.lock().unwrap().clear();
    }

    let stats = claims.stats();
    assert_eq!((stats.unclaimed, stats.claimed, stats.unavailable), (2, 0, 0));
    // A message that is handled or in flight is still refused.
    claim(&claims).await.unwrap().complete().await;
    assert!(matches!(claim(&claims).await, Err(ClaimError::AlreadyHandled)));
}

#[tokio::test]
async fn a_forgotten_message_is_handled_again() {
    let claims = Claims::new(Recorder::default());

    assert!(!claims.forget(key()).await.unwrap());
    let first = claim(&claims).await.unwrap();
    assert!(!claims.forget(key()).await.unwrap(), "it is being handled");
    first.complete().await;

    assert!(claims.forget(key()).await.unwrap());
    assert!(claim(&claims).await.is_ok());
}

#[tokio::test]
async fn clones_share_claims_and_counters() {
    let claims = Claims::new(MemoryStore::new());
    let clone = claims.clone();

    let held = claim(&claims).await.unwrap();
    let drain = tokio::spawn(async move { clone.drain().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!drain.is_finished(), "a clone waits for the claims of the other");
    held.complete().await;

    drain.await.unwrap();
    assert_eq!(claims.clone().stats(), claims.stats());
    assert_eq!(claims.stats().completed, 1);
}

#[tokio::test]
async fn the_background_thread_stops_with_the_last_handle_and_the_last_claim() {
    let recorder = Recorder::default();
    let claims = Claims::new(recorder.clone());
    let held = claim(&claims).await.unwrap();

    drop(claims);
    held.complete().await;
    // The thread has the only other handle to the store.
    until(|| Arc::strong_count(&recorder.calls) == 1).await;

    assert_eq!(recorder.calls(), ["claim", COMPLETE]);
}

#[test]
fn shared_types_are_send_and_sync() {
    fn sendable<T: Send>(_: T) {}
    fn shareable<T: Send + Sync + 'static>() {}

    shareable::<Claims>();
    shareable::<Claim>();
    shareable::<ClaimError>();
    shareable::<ClaimsConfig>();
    let claims = Claims::new(MemoryStore::new());
    sendable(claims.claim(key(), FRESH_FOR));
    sendable(claims.forget(key()));
    sendable(claims.drain());
    _ = |claim: Claim| sendable(claim.complete());
    _ = |claim: Claim| sendable(claim.release());
}

#[test]
fn outcomes_are_counted_and_logged_in_one_file() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut folders = vec![std::path::PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("telemetry.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(!text.contains("tracing::"), "{}", path.display());
            }
        }
    }
}
