use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use self::entries::{Entries, Entry, State};
use super::{Backend, BackendResult, Claimed, Holding, Key, Owner};

mod entries;

/// Keeps claims in the memory of this process.
///
/// For a service that runs as *one* process: another one knows nothing of them, and a restart forgets
/// them. A clone is a handle to the same claims.
///
/// It has room for a number of keys, by default a million, each of which takes about 250 bytes. A key
/// that still counts is never dropped to make room: when all of them do, a new message is refused with
/// 503. At four fifths, a warning is logged.
///
/// It reads tokio's clock, a store renews its claims by the system's: in a test with a paused clock, a
/// handler that sleeps for longer than the lease loses its claim.
#[derive(Clone)]
pub struct Memory {
    entries: Arc<Mutex<Entries>>,
}

impl Memory {
    /// Makes room for a million keys.
    #[must_use]
    pub fn new() -> Self {
        Self::with_room(1_000_000)
    }

    /// Makes room for a number of keys: as many as messages arrive in the time of retention.
    #[must_use]
    pub fn with_room(keys: usize) -> Self {
        Self { entries: Arc::new(Mutex::new(Entries::new(keys))) }
    }

    /// Nothing panics while it holds the lock: what another thread left is whole.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries();
        f.debug_struct("Memory")
            .field("keys", &entries.len())
            .field("room", &entries.room())
            .finish()
    }
}

impl Backend for Memory {
    const WAITS: bool = false;

    async fn claim(&self, key: Key, owner: Owner, lease: Duration) -> BackendResult<Claimed> {
        let now = Instant::now();
        let mut entries = self.entries();
        match entries.find(key, now) {
            Some(Entry { state: State::Handled, .. }) => Ok(Claimed::AlreadyHandled),
            Some(entry) if entry.owner != owner => Ok(Claimed::InFlight),
            _ => {
                entries.set(key, State::Claimed, owner, now, lease)?;
                Ok(Claimed::Now)
            }
        }
    }

    async fn renew(&self, key: Key, owner: Owner, lease: Duration) -> BackendResult<Holding> {
        let now = Instant::now();
        let mut entries = self.entries();
        match entries.find(key, now) {
            Some(entry) if entry.owner == owner => {
                if entry.state == State::Claimed {
                    entries.set(key, State::Claimed, owner, now, lease)?;
                }
                Ok(Holding::Held)
            }
            _ => Ok(Holding::Lost),
        }
    }

    async fn complete(
        &self,
        key: Key,
        owner: Owner,
        retention: Duration,
    ) -> BackendResult<Holding> {
        let now = Instant::now();
        let mut entries = self.entries();
        match entries.find(key, now) {
            Some(entry) if entry.owner != owner => Ok(Holding::Lost),
            _ => {
                entries.set(key, State::Handled, owner, now, retention)?;
                Ok(Holding::Held)
            }
        }
    }

    async fn release(&self, key: Key, owner: Owner) -> BackendResult<()> {
        let mut entries = self.entries();
        let found = entries.find(key, Instant::now());
        if found.is_some_and(|entry| entry.state == State::Claimed && entry.owner == owner) {
            entries.remove(key);
        }
        Ok(())
    }

    async fn forget(&self, key: Key) -> BackendResult<bool> {
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

    fn key(number: usize) -> Key {
        Key::of_body("scope", &number.to_be_bytes())
    }

    async fn handle(memory: &Memory, number: usize) -> BackendResult<Claimed> {
        let owner = Owner::random();
        let claimed = memory.claim(key(number), owner, LEASE).await?;
        if claimed == Claimed::Now {
            memory.complete(key(number), owner, RETENTION).await?;
        }
        Ok(claimed)
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_when_full_and_never_drops_what_counts() {
        let memory = Memory::with_room(10);
        for number in 0..10 {
            assert_eq!(memory.entries().has_warned(), number > 7, "{number} keys");
            assert_eq!(handle(&memory, number).await.unwrap(), Claimed::Now);
        }

        let error = handle(&memory, 10).await.unwrap_err();

        assert_eq!(error.to_string(), "there is room for 10 keys, and each of them still counts");
        for number in 0..10 {
            assert_eq!(handle(&memory, number).await.unwrap(), Claimed::AlreadyHandled);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_ended_makes_room() {
        let memory = Memory::with_room(10);
        for number in 0..10 {
            handle(&memory, number).await.unwrap();
        }

        tokio::time::advance(RETENTION).await;

        for number in 10..20 {
            assert_eq!(handle(&memory, number).await.unwrap(), Claimed::Now);
        }
        assert_eq!(memory.entries().len(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn prunes_a_few_at_a_time_and_all_in_the_end() {
        let memory = Memory::new();
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
        let memory = Memory::new();
        let owner = Owner::random();

        memory.claim(key(0), owner, LEASE).await.unwrap();
        memory.release(key(0), owner).await.unwrap();

        assert_eq!(memory.entries().len(), 0);
    }
}
