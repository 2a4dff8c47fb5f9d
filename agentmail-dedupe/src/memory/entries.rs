use std::{
    collections::{BTreeSet, HashMap},
    error::Error,
    fmt,
    time::Duration,
};

use tokio::time::Instant;

use crate::{key::ClaimKey, owner::Owner, telemetry};

/// The keys, and the order in which they end.
///
/// This is not a cache, because a cache evicts: an evicted key would be handled again.
pub(super) struct Entries {
    by_key: HashMap<ClaimKey, Entry>,
    by_end: BTreeSet<(Instant, ClaimKey)>,
    capacity: usize,
    warned: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) state: State,
    pub(super) owner: Owner,
    end: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Claimed,
    Handled,
}

/// The longest time that is kept: the clock can represent its end.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// How many ended keys one call removes, so that no call waits for a million of them.
const PRUNED_AT_ONCE: usize = 16;

impl Entries {
    pub(super) fn new(capacity: usize) -> Self {
        Self { by_key: HashMap::new(), by_end: BTreeSet::new(), capacity, warned: false }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    #[cfg(test)]
    pub(super) fn has_warned(&self) -> bool {
        self.warned
    }

    /// Returns the entry of a key, unless it has ended.
    pub(super) fn find(&self, key: ClaimKey, now: Instant) -> Option<Entry> {
        self.by_key.get(&key).filter(|entry| now < entry.end).copied()
    }

    /// Replaces the entry of a key. Fails if the key is new and the capacity is used up.
    pub(super) fn set(
        &mut self,
        key: ClaimKey,
        state: State,
        owner: Owner,
        now: Instant,
        lasts_for: Duration,
    ) -> Result<(), MemoryFull> {
        self.prune(now);
        let is_new = !self.by_key.contains_key(&key);
        if is_new && self.by_key.len() >= self.capacity {
            return Err(MemoryFull { capacity: self.capacity });
        }
        let end = now + lasts_for.min(CENTURY);
        self.remove(key);
        self.by_key.insert(key, Entry { state, owner, end });
        self.by_end.insert((end, key));
        self.warn_when_nearly_full();
        Ok(())
    }

    pub(super) fn remove(&mut self, key: ClaimKey) {
        if let Some(entry) = self.by_key.remove(&key) {
            self.by_end.remove(&(entry.end, key));
        }
    }

    fn prune(&mut self, now: Instant) {
        for _ in 0..PRUNED_AT_ONCE {
            match self.by_end.first() {
                Some(&(end, key)) if end <= now => self.remove(key),
                _ => break,
            }
        }
    }

    fn warn_when_nearly_full(&mut self) {
        let tenths = self.by_key.len().saturating_mul(10).checked_div(self.capacity).unwrap_or(10);
        if tenths >= 8 && !self.warned {
            telemetry::memory_nearly_full(self.by_key.len(), self.capacity);
        }
        self.warned = tenths >= 8 || (self.warned && tenths >= 7);
    }
}

/// The error of a full store.
#[derive(Debug)]
pub(super) struct MemoryFull {
    capacity: usize,
}

impl fmt::Display for MemoryFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the memory store is full: it has {} keys", self.capacity)
    }
}

impl Error for MemoryFull {}
