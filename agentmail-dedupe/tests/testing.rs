//! The published test of a store: our store in memory passes it, and each faulty store fails it.
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    time::Duration,
};

use agentmail_dedupe::{
    BoxError, ClaimKey, ClaimOutcome, ClaimStore, LeaseState, MemoryStore, Owner,
    testing::{StoreFixture, StoreTest},
};
use tokio::time::Instant;

struct InMemory;

impl StoreFixture for InMemory {
    type Store = MemoryStore;

    async fn empty_store(&mut self) -> MemoryStore {
        MemoryStore::new()
    }

    async fn advance(&mut self, time: Duration) {
        tokio::time::advance(time).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_memory_store_follows_the_rules() {
    StoreTest::new().with_runs(5_000).run(&mut InMemory).await;
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    ClaimFindsThenSets,
    ClaimIgnoresHandled,
    ClaimTakesOver,
    ClaimRefusesItsOwner,
    ClaimKeepsTheLeaseOfItsOwner,
    RenewChangesNothing,
    RenewTakesOver,
    RenewTakesWhatIsAbsent,
    RenewLosesHandled,
    RenewShortensHandled,
    CompleteRefusesWhatIsAbsent,
    CompleteLeavesTheClaimOfAnother,
    CompleteLeavesTheRecordOfAnother,
    CompleteHidesALoss,
    CompleteLosesHandled,
    CompleteKeepsTheLease,
    CompleteKeepsTheRetention,
    ReleaseFreesForAll,
    ReleaseFreesHandled,
    ReleaseChangesNothing,
    ForgetFreesClaimed,
    ForgetAlwaysTrue,
    ForgetChangesNothing,
    LeasesNeverEnd,
    RecordsNeverEnd,
    ReadsAPartOfTheKey,
    ReadsAPartOfTheOwner,
    OverflowsAfterAYear,
    Fails,
    Panics,
}

impl Fault {
    const ALL: [Self; 30] = [
        Self::ClaimFindsThenSets,
        Self::ClaimIgnoresHandled,
        Self::ClaimTakesOver,
        Self::ClaimRefusesItsOwner,
        Self::ClaimKeepsTheLeaseOfItsOwner,
        Self::RenewChangesNothing,
        Self::RenewTakesOver,
        Self::RenewTakesWhatIsAbsent,
        Self::RenewLosesHandled,
        Self::RenewShortensHandled,
        Self::CompleteRefusesWhatIsAbsent,
        Self::CompleteLeavesTheClaimOfAnother,
        Self::CompleteLeavesTheRecordOfAnother,
        Self::CompleteHidesALoss,
        Self::CompleteLosesHandled,
        Self::CompleteKeepsTheLease,
        Self::CompleteKeepsTheRetention,
        Self::ReleaseFreesForAll,
        Self::ReleaseFreesHandled,
        Self::ReleaseChangesNothing,
        Self::ForgetFreesClaimed,
        Self::ForgetAlwaysTrue,
        Self::ForgetChangesNothing,
        Self::LeasesNeverEnd,
        Self::RecordsNeverEnd,
        Self::ReadsAPartOfTheKey,
        Self::ReadsAPartOfTheOwner,
        Self::OverflowsAfterAYear,
        Self::Fails,
        Self::Panics,
    ];
}

#[derive(Clone, Copy)]
struct Entry {
    owner: Owner,
    handled: bool,
    end: Instant,
}

struct FaultyStore {
    fault: Fault,
    entries: Mutex<HashMap<ClaimKey, Entry>>,
}

impl FaultyStore {
    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn names(&self, key: ClaimKey, owner: Owner) -> (ClaimKey, Owner) {
        let (mut key, mut owner) = (*key.as_bytes(), *owner.as_bytes());
        if self.has(Fault::ReadsAPartOfTheKey) {
            key[31] = 0;
        }
        if self.has(Fault::ReadsAPartOfTheOwner) {
            owner[15] = 0;
        }
        (ClaimKey::from_bytes(key), Owner::from_bytes(owner))
    }

    fn find(&self, key: ClaimKey) -> Option<Entry> {
        let entry = self.entries.lock().unwrap().get(&key).copied();
        entry.filter(|entry| {
            let never_ends =
                if entry.handled { Fault::RecordsNeverEnd } else { Fault::LeasesNeverEnd };
            self.has(never_ends) || Instant::now() < entry.end
        })
    }

    fn set(&self, key: ClaimKey, owner: Owner, handled: bool, end: Instant) {
        self.entries.lock().unwrap().insert(key, Entry { owner, handled, end });
    }

    fn remove(&self, key: ClaimKey) {
        self.entries.lock().unwrap().remove(&key);
    }

    fn kept_by_complete(of_another: Entry) -> Fault {
        if of_another.handled {
            Fault::CompleteLeavesTheRecordOfAnother
        } else {
            Fault::CompleteLeavesTheClaimOfAnother
        }
    }

    fn end_after(&self, time: Duration) -> Instant {
        let year = Duration::from_secs(365 * 24 * 3_600);
        let overflows = self.has(Fault::OverflowsAfterAYear) && time > year;
        Instant::now() + if overflows { Duration::ZERO } else { time }
    }
}

impl ClaimStore for FaultyStore {
    async fn claim(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<ClaimOutcome, BoxError> {
        let (key, owner) = self.names(key, owner);
        let found = self.find(key);
        if self.has(Fault::ClaimFindsThenSets) {
            tokio::task::yield_now().await;
        }
        let mut end = self.end_after(lease);
        match found {
            Some(entry) if entry.handled && !self.has(Fault::ClaimIgnoresHandled) => {
                return Ok(ClaimOutcome::AlreadyHandled);
            }
            Some(entry) if entry.owner != owner && !self.has(Fault::ClaimTakesOver) => {
                return Ok(ClaimOutcome::InFlight);
            }
            Some(_) if self.has(Fault::ClaimRefusesItsOwner) => return Ok(ClaimOutcome::InFlight),
            Some(entry) if self.has(Fault::ClaimKeepsTheLeaseOfItsOwner) => end = entry.end,
            _ => {}
        }
        self.set(key, owner, false, end);
        Ok(ClaimOutcome::Granted)
    }

    async fn renew(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<LeaseState, BoxError> {
        let (key, owner) = self.names(key, owner);
        match self.find(key) {
            None if self.has(Fault::RenewTakesWhatIsAbsent) => {}
            None => return Ok(LeaseState::Lost),
            Some(entry) if entry.owner != owner && !self.has(Fault::RenewTakesOver) => {
                return Ok(LeaseState::Lost);
            }
            Some(entry) if entry.handled && self.has(Fault::RenewLosesHandled) => {
                return Ok(LeaseState::Lost);
            }
            Some(entry) if entry.handled && !self.has(Fault::RenewShortensHandled) => {
                return Ok(LeaseState::Held);
            }
            Some(entry) if entry.handled => {
                self.set(key, owner, true, self.end_after(lease));
                return Ok(LeaseState::Held);
            }
            Some(_) if self.has(Fault::RenewChangesNothing) => return Ok(LeaseState::Held),
            Some(_) => {}
        }
        self.set(key, owner, false, self.end_after(lease));
        Ok(LeaseState::Held)
    }

    async fn complete(
        &self,
        key: ClaimKey,
        owner: Owner,
        retention: Duration,
    ) -> Result<LeaseState, BoxError> {
        if self.has(Fault::Fails) {
            return Err("as planned".into());
        }
        let (key, owner) = self.names(key, owner);
        let mut end = self.end_after(retention);
        let found = self.find(key);
        let is_lost = found.is_some_and(|entry| entry.owner != owner);
        match found {
            None if self.has(Fault::CompleteRefusesWhatIsAbsent) => return Ok(LeaseState::Lost),
            Some(entry) if is_lost && self.has(Self::kept_by_complete(entry)) => {
                return Ok(LeaseState::Lost);
            }
            Some(entry) if entry.handled && self.has(Fault::CompleteLosesHandled) => {
                return Ok(LeaseState::Lost);
            }
            Some(entry) if !entry.handled && self.has(Fault::CompleteKeepsTheLease) => {
                end = entry.end;
            }
            Some(entry) if entry.handled && self.has(Fault::CompleteKeepsTheRetention) => {
                end = entry.end;
            }
            _ => {}
        }
        self.set(key, owner, true, end);
        let is_lost = is_lost && !self.has(Fault::CompleteHidesALoss);
        Ok(if is_lost { LeaseState::Lost } else { LeaseState::Held })
    }

    async fn release(&self, key: ClaimKey, owner: Owner) -> Result<(), BoxError> {
        let (key, owner) = self.names(key, owner);
        let is_released = |entry: Entry| {
            (entry.owner == owner || self.has(Fault::ReleaseFreesForAll))
                && (!entry.handled || self.has(Fault::ReleaseFreesHandled))
        };
        if self.find(key).is_some_and(is_released) && !self.has(Fault::ReleaseChangesNothing) {
            self.remove(key);
        }
        Ok(())
    }

    async fn forget(&self, key: ClaimKey) -> Result<bool, BoxError> {
        assert!(!self.has(Fault::Panics), "as planned");
        let (key, _) = self.names(key, Owner::from_bytes([0; 16]));
        let is_forgotten = |entry: Entry| entry.handled || self.has(Fault::ForgetFreesClaimed);
        let forgotten = self.find(key).is_some_and(is_forgotten);
        if forgotten && !self.has(Fault::ForgetChangesNothing) {
            self.remove(key);
        }
        Ok(forgotten || self.has(Fault::ForgetAlwaysTrue))
    }
}

struct Faulty(Fault);

impl StoreFixture for Faulty {
    type Store = FaultyStore;

    async fn empty_store(&mut self) -> FaultyStore {
        FaultyStore { fault: self.0, entries: Mutex::default() }
    }

    async fn advance(&mut self, time: Duration) {
        tokio::time::advance(time).await;
    }
}

/// Returns the message of the test's panic, if it fails.
fn message_of(fault: Fault) -> Option<String> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    let test = AssertUnwindSafe(|| runtime.block_on(StoreTest::new().run(&mut Faulty(fault))));
    let panic = catch_unwind(test).err()?;
    Some(*panic.downcast::<String>().unwrap())
}

#[test]
fn each_faulty_store_fails_and_a_faultless_one_passes() {
    assert_eq!(message_of(Fault::None), None);
    for fault in Fault::ALL {
        assert!(message_of(fault).is_some(), "{fault:?} passes");
    }
}

#[test]
fn a_failure_is_a_short_list_of_steps() {
    let expected = "\
the store breaks the rules of `ClaimStore` (seed 0, run 4):
  1. claim(key 0, owner 0): Granted
  2. 35s pass
  3. renew(key 0, owner 0): Held
  4. 35s pass
  5. claim(key 0, owner 2): Granted
the rules allow: InFlight";

    assert_eq!(message_of(Fault::RenewChangesNothing).unwrap(), expected);
}
