//! The check of a store, and what the log says of a store that fails.
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use agentmail_dedupe::{
    BoxError, ClaimKey, ClaimOutcome, ClaimStore, Claims, ClaimsConfig, DedupeStats, LeaseState,
    MemoryStore, Owner, StoreError,
};
use tracing_subscriber::{fmt::MakeWriter, util::SubscriberInitExt};

/// What goes wrong in a [`FaultyStore`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Claim,
    ClaimIsSilent,
    ClaimPanics,
    NotGranted,
    Renew,
    Lost,
    Release,
    Complete,
    NotCompleted,
    Forget,
    NotForgotten,
}

/// A store in memory with a fault.
#[derive(Clone)]
struct FaultyStore {
    memory: MemoryStore,
    fault: Arc<Mutex<Fault>>,
    /// The keys that were claimed, and not released.
    claimed: Arc<Mutex<Vec<ClaimKey>>>,
}

impl FaultyStore {
    fn new(fault: Fault) -> Self {
        Self {
            memory: MemoryStore::new(),
            fault: Arc::new(Mutex::new(fault)),
            claimed: Arc::default(),
        }
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }
}

impl ClaimStore for FaultyStore {
    async fn claim(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<ClaimOutcome, BoxError> {
        match self.fault() {
            Fault::Claim => return Err("no claim".into()),
            Fault::ClaimIsSilent => return std::future::pending().await,
            Fault::ClaimPanics => panic!("as planned"),
            Fault::NotGranted => return Ok(ClaimOutcome::InFlight),
            _ => {}
        }
        self.claimed.lock().unwrap().push(key);
        self.memory.claim(key, owner, lease).await
    }

    async fn renew(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<LeaseState, BoxError> {
        match self.fault() {
            Fault::Renew => Err("no renewal".into()),
            Fault::Lost => Ok(LeaseState::Lost),
            _ => self.memory.renew(key, owner, lease).await,
        }
    }

    async fn complete(
        &self,
        key: ClaimKey,
        owner: Owner,
        retention: Duration,
    ) -> Result<LeaseState, BoxError> {
        match self.fault() {
            Fault::Complete => Err("no record".into()),
            Fault::NotCompleted => Ok(LeaseState::Lost),
            _ => self.memory.complete(key, owner, retention).await,
        }
    }

    async fn release(&self, key: ClaimKey, owner: Owner) -> Result<(), BoxError> {
        if self.fault() == Fault::Release {
            return Err("no release".into());
        }
        self.claimed.lock().unwrap().retain(|claimed| *claimed != key);
        self.memory.release(key, owner).await
    }

    async fn forget(&self, key: ClaimKey) -> Result<bool, BoxError> {
        match self.fault() {
            Fault::Forget => Err("no memory".into()),
            Fault::NotForgotten => Ok(false),
            _ => self.memory.forget(key).await,
        }
    }
}

fn short_deadline() -> ClaimsConfig {
    ClaimsConfig::default().with_deadline(Duration::from_millis(500))
}

#[tokio::test]
async fn a_check_names_what_the_store_cannot_do() {
    for (fault, expected) in [
        (Fault::Claim, "the store failed: no claim"),
        (Fault::ClaimIsSilent, "the store did not respond within 500ms"),
        (Fault::NotGranted, "the store failed: the store did not grant a new key"),
        (Fault::Renew, "the store failed: no renewal"),
        (Fault::Lost, "the store failed: the store lost a claim at once"),
        (Fault::Release, "the store failed: no release"),
        (Fault::Complete, "the store failed: no record"),
        (Fault::NotCompleted, "the store failed: the store found another owner of a new key"),
        (Fault::Forget, "the store failed: no memory"),
        (Fault::NotForgotten, "the store failed: the store lost a record at once"),
    ] {
        let store = FaultyStore::new(fault);
        let claims = Claims::with_config(store.clone(), short_deadline());

        let error = claims.check().await.unwrap_err();

        assert_eq!(error.to_string(), format!("messages cannot be claimed: {expected}"));
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(expected.starts_with(&error.store_error().to_string()));
        let left = store.claimed.lock().unwrap().len();
        assert_eq!(left == 0, fault != Fault::Release, "{fault:?}: {left} keys are left");
        assert_eq!(claims.stats(), DedupeStats::default(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_check_survives_a_store_that_panics() {
    let error = Claims::new(FaultyStore::new(Fault::ClaimPanics)).check().await.unwrap_err();

    assert!(matches!(error.store_error(), StoreError::Failed(_)), "{error}");
}

#[tokio::test]
async fn a_store_that_works_passes_and_keeps_no_key() {
    let store = FaultyStore::new(Fault::None);
    let claims = Claims::new(store.clone());

    claims.check().await.unwrap();

    assert!(store.claimed.lock().unwrap().is_empty());
    assert!(format!("{:?}", store.memory).contains("keys: 0,"), "{:?}", store.memory);
    assert_eq!(claims.stats(), DedupeStats::default());
    Claims::new(MemoryStore::with_capacity(1)).check().await.unwrap();
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes what has been logged since the last call: one line for each event, without its key or
    /// duration.
    fn lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        let fields = [" key=", " seconds="];
        let end = |line: &str| fields.iter().find_map(|field| line.find(field));
        text.lines().map(|line| line[..end(line).unwrap_or(line.len())].trim().into()).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_begin_and_the_end_of_an_outage_are_logged_once() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone());
    let _guard = subscriber.with_ansi(false).without_time().finish().set_default();
    let store = FaultyStore::new(Fault::None);
    let refusing = Claims::with_config(store.clone(), short_deadline());
    let handling = Claims::with_config(store.clone(), short_deadline().danger_handle_unclaimed());
    let key = ClaimKey::new("test", [7; 32]);
    let fresh_for = Duration::from_secs(600);

    for (claims, line) in [
        (
            &refusing,
            "WARN agentmail: a message could not be claimed and is refused: the sender may send it \
             again",
        ),
        (
            &handling,
            "WARN agentmail: a message is handled without a claim: each copy of it is handled too",
        ),
    ] {
        for (fault, cause) in [
            (Fault::Claim, r#"error=the store failed source=no claim"#),
            (Fault::ClaimIsSilent, "error=the store did not respond within 500ms"),
        ] {
            *store.fault.lock().unwrap() = fault;
            for _ in 0..2 {
                _ = claims.claim(key, fresh_for).await;
            }
            let begin = format!("WARN agentmail: the claim store has failed {cause}");
            assert_eq!(log.lines(), [&begin, line, line], "{fault:?}");

            *store.fault.lock().unwrap() = Fault::None;
            for _ in 0..2 {
                claims.claim(key, fresh_for).await.unwrap().release().await;
            }
            let end = "INFO agentmail: the claim store works again failed_claims=2";
            assert_eq!(log.lines(), [end], "{fault:?}");
        }
    }

    *store.fault.lock().unwrap() = Fault::Claim;
    _ = refusing.claim(key, fresh_for).await;
    refusing.check().await.unwrap_err();
    *store.fault.lock().unwrap() = Fault::None;
    log.lines();
    for _ in 0..2 {
        refusing.check().await.unwrap();
    }
    let end = "INFO agentmail: the claim store works again failed_claims=1";
    assert_eq!(log.lines(), [end], "a check that succeeds ends the outage too");
}
