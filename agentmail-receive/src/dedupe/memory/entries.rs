use std::{
    collections::{BTreeSet, HashMap},
    error::Error,
    fmt,
    time::Duration,
};

use tokio::time::Instant;

use crate::dedupe::{Key, Owner};

/// The keys that count, and the order in which they end.
pub(super) struct Entries {
    by_key: HashMap<Key, Entry>,
    by_end: BTreeSet<(Instant, Key)>,
    room: usize,
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

/// As good as for ever, and within what a clock can count.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// As many as are pruned at once: no call waits for a million of them.
const PRUNED_AT_ONCE: usize = 16;

impl Entries {
    pub(super) fn new(room: usize) -> Self {
        Self { by_key: HashMap::new(), by_end: BTreeSet::new(), room, warned: false }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn room(&self) -> usize {
        self.room
    }

    #[cfg(test)]
    pub(super) fn has_warned(&self) -> bool {
        self.warned
    }

    /// Returns the entry of a key, unless it has ended.
    pub(super) fn find(&self, key: Key, now: Instant) -> Option<Entry> {
        self.by_key.get(&key).filter(|entry| now < entry.end).copied()
    }

    /// Puts an entry in the place of the former one, if there is room.
    pub(super) fn set(
        &mut self,
        key: Key,
        state: State,
        owner: Owner,
        now: Instant,
        span: Duration,
    ) -> Result<(), MemoryFull> {
        self.prune(now);
        let is_new = !self.by_key.contains_key(&key);
        if is_new && self.by_key.len() >= self.room {
            return Err(MemoryFull { room: self.room });
        }
        let end = now + span.min(CENTURY);
        self.remove(key);
        self.by_key.insert(key, Entry { state, owner, end });
        self.by_end.insert((end, key));
        self.warn_when_nearly_full();
        Ok(())
    }

    pub(super) fn remove(&mut self, key: Key) {
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
        let tenths = self.by_key.len().saturating_mul(10).checked_div(self.room).unwrap_or(10);
        if tenths >= 8 && !self.warned {
            tracing::warn!(
                target: "agentmail",
                keys = self.by_key.len(),
                room = self.room,
                "the memory of handled messages is four fifths full: \
                 when it is full, new ones are refused"
            );
        }
        self.warned = tenths >= 8 || (self.warned && tenths >= 7);
    }
}

/// Every key that there is room for still counts.
#[derive(Debug)]
pub(super) struct MemoryFull {
    room: usize,
}

impl fmt::Display for MemoryFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is room for {} keys, and each of them still counts", self.room)
    }
}

impl Error for MemoryFull {}
