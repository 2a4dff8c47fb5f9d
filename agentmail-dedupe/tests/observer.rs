//! Each outcome of a claim reaches the observer, with the calls of the store.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use agentmail_dedupe::{
    ClaimKey, Claims, ClaimsConfig, DedupeEvent, DedupeOutcome, MemoryStore, Observer, StoreCall,
};
use tokio::time::sleep;

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Seen {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Waits for this number of reports, and sorts them.
    async fn take_sorted(&self, count: usize) -> Vec<String> {
        while self.0.lock().unwrap().len() < count {
            sleep(Duration::from_millis(5)).await;
        }
        let mut reports = self.take();
        reports.sort();
        reports
    }
}

impl Observer for Seen {
    fn outcome(&self, event: &DedupeEvent) {
        self.0.lock().unwrap().push(event.outcome.name().to_owned());
    }

    fn store_call(&self, call: &StoreCall) {
        assert!(call.duration < Duration::from_secs(60));
        let StoreCall { store, op, succeeded, .. } = call;
        self.0.lock().unwrap().push(format!("{store} {} {succeeded}", op.name()));
    }
}

fn key(number: u8) -> ClaimKey {
    ClaimKey::new("test", [number; 32])
}

const FRESH_FOR: Duration = Duration::from_secs(600);

#[tokio::test]
async fn each_outcome_is_reported_after_the_call_that_decides_it() {
    let seen = Arc::new(Seen::default());
    let config = ClaimsConfig::default().with_observer(seen.clone());
    let claims = Claims::with_config(MemoryStore::with_capacity(2), config);

    let claim = claims.claim(key(1), FRESH_FOR).await.unwrap();
    assert_eq!(seen.take(), ["memory claim true", "claimed"]);
    claims.claim(key(1), FRESH_FOR).await.unwrap_err();
    assert_eq!(seen.take(), ["memory claim true", "in_flight"]);
    claim.complete().await;
    assert_eq!(seen.take(), ["memory complete true", "completed"]);
    claims.claim(key(1), FRESH_FOR).await.unwrap_err();
    assert_eq!(seen.take(), ["memory claim true", "already_handled"]);

    let claim = claims.claim(key(2), FRESH_FOR).await.unwrap();
    seen.take();
    claims.claim(key(3), FRESH_FOR).await.unwrap_err();
    // The thread releases a claim whose outcome is not known, before or after the report of it.
    let full = ["memory claim false", "memory release true", "store_error"];
    assert_eq!(seen.take_sorted(3).await, full, "the store is full");
    claim.release().await;
    assert_eq!(seen.take(), ["memory release true", "released"]);
}

#[test]
fn names_are_those_of_all_outcomes() {
    let names = DedupeOutcome::ALL.map(DedupeOutcome::name);
    let expected =
        ["claimed", "completed", "already_handled", "in_flight", "released", "lost", "store_error"];
    assert_eq!(names, expected);
}
