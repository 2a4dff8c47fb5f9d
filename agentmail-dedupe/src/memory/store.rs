use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    key::ClaimKey,
    memory::entries::{Entries, Entry, State},
    owner::Owner,
    store::{BoxError, ClaimOutcome, ClaimStore, LeaseState},
};

/// Keeps claims in the memory of this process.
///
/// Use it for a service that runs as *one* process. Another process cannot see the claims, and a
/// restart forgets them. A clone is a handle to the same claims.
///
/// Its capacity is a number of keys, by default a million. Each takes about 250 bytes. A key is
/// never dropped before its time has ended: if the store is full, a new message cannot be claimed.
/// At four fifths of the capacity, a warning is logged.
///
/// The store uses tokio's clock, but claims are renewed by the system's clock. With
/// `tokio::time::pause`, a handler that sleeps past the lease loses its claim.
#[derive(Clone)]
pub struct MemoryStore {
    entries: Arc<Mutex<Entries>>,
}

impl MemoryStore {
    /// Returns an empty store with a capacity of a million keys.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(1_000_000)
    }

    /// Returns an empty store with a capacity of this many keys. It needs one for each message that
    /// arrives within the retention.
    #[must_use]
    pub fn with_capacity(keys: usize) -> Self {
        Self { entries: Arc::new(Mutex::new(Entries::new(keys))) }
    }

    /// A poisoned lock does not mean that the map is broken: nothing panics between two changes
    /// that belong together.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries();
        f.debug_struct("MemoryStore")
            .field("keys", &entries.len())
            .field("capacity", &entries.capacity())
            .finish()
    }
}

impl ClaimStore for MemoryStore {
    const MAY_WAIT: bool = false;
    const NAME: &str = "memory";

    async fn claim(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<ClaimOutcome, BoxError> {
        let now = Instant::now();
        let mut entries = self.entries();
        match entries.find(key, now) {
            Some(Entry { state: State::Handled, .. }) => Ok(ClaimOutcome::AlreadyHandled),
            Some(entry) if entry.owner != owner => Ok(ClaimOutcome::InFlight),
            _ => {
                entries.set(key, State::Claimed, owner, now, lease)?;
                Ok(ClaimOutcome::Granted)
            }
        }
    }

    async fn renew(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<LeaseState, BoxError> {
        let now = Instant::now();
        let mut entries = self.entries();
        match entries.find(key, now) {
            Some(entry) if entry.owner == owner => {
                if entry.state == State::Claimed {
                    entries.set(key, State::Claimed, owner, now, lease)?;
                }
                Ok(LeaseState::Held)
            }
            _ => Ok(LeaseState::Lost),
        }
    }

    async fn complete(
        &self,
        key: ClaimKey,
        owner: Owner,
        retention: Duration,
    ) -> Result<LeaseState, BoxError> {
        let now = Instant::now();
        let mut entries = self.entries();
        let is_lost = entries.find(key, now).is_some_and(|entry| entry.owner != owner);
        entries.set(key, State::Handled, owner, now, retention)?;
        Ok(if is_lost { LeaseState::Lost } else { LeaseState::Held })
    }

    async fn release(&self, key: ClaimKey, owner: Owner) -> Result<(), BoxError> {
        let mut entries = self.entries();
        let found = entries.find(key, Instant::now());
        if found.is_some_and(|entry| entry.state == State::Claimed && entry.owner == owner) {
            entries.remove(key);
        }
        Ok(())
    }

    async fn forget(&self, key: ClaimKey) -> Result<bool, BoxError> {
        let mut entries = self.entries();
        let found = entries.find(key, Instant::now());
        let handled = found.is_some_and(|entry| entry.state == State::Handled);
        if handled {
            entries.remove(key);
        }
        Ok(handled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);
    const RETENTION: Duration = Duration::from_secs(3_600);

    fn key(number: usize) -> ClaimKey {
        let mut message = [0; 32];
        message[..8].copy_from_slice(&u64::try_from(number).unwrap().to_be_bytes());
        ClaimKey::new("scope", message)
    }

    async fn handle(memory: &MemoryStore, number: usize) -> Result<ClaimOutcome, BoxError> {
        let owner = Owner::random();
        let claimed = memory.claim(key(number), owner, LEASE).await?;
        if claimed == ClaimOutcome::Granted {
            memory.complete(key(number), owner, RETENTION).await?;
        }
        Ok(claimed)
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_when_full_and_never_drops_a_valid_key() {
        let memory = MemoryStore::with_capacity(10);
        for number in 0..10 {
            assert_eq!(memory.entries().has_warned(), number > 7, "{number} keys");
            assert_eq!(handle(&memory, number).await.unwrap(), ClaimOutcome::Granted);
        }

        let error = handle(&memory, 10).await.unwrap_err();

        assert_eq!(error.to_string(), "the memory store is full: it has 10 keys");
        for number in 0..10 {
            assert_eq!(handle(&memory, number).await.unwrap(), ClaimOutcome::AlreadyHandled);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_has_ended_no_longer_uses_capacity() {
        let memory = MemoryStore::with_capacity(10);
        for number in 0..10 {
            handle(&memory, number).await.unwrap();
        }

        tokio::time::advance(RETENTION).await;

        for number in 10..20 {
            assert_eq!(handle(&memory, number).await.unwrap(), ClaimOutcome::Granted);
        }
        assert_eq!(memory.entries().len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn prunes_a_few_at_a_time_and_all_in_the_end() {
        let memory = MemoryStore::new();
        for number in 0..1_000 {
            handle(&memory, number).await.unwrap();
        }
        tokio::time::advance(RETENTION).await;

        handle(&memory, 0).await.unwrap();
        let after_one = memory.entries().len();
        for number in 0..100 {
            handle(&memory, number).await.unwrap();
        }

        assert!(after_one > 900, "{after_one} keys are left after one call");
        assert_eq!(memory.entries().len(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_released_leaves_nothing() {
        let memory = MemoryStore::new();
        let owner = Owner::random();

        memory.claim(key(0), owner, LEASE).await.unwrap();
        memory.release(key(0), owner).await.unwrap();

        assert_eq!(memory.entries().len(), 0);
    }
}
