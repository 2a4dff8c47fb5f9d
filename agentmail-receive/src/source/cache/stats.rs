use std::sync::{Mutex, PoisonError};

/// How often each outcome has occurred since a [`CachedLookup`](crate::CachedLookup) was created: a
/// copy of its counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LookupStats {
    /// Lookups that have started: calls of `find`.
    pub lookups: u64,
    /// Lookups that returned an error, panicked or took too long.
    pub failed: u64,
    /// Lookups that were refused, or given up, because too many others were waiting.
    pub busy: u64,
    /// Deliveries that used the last known result of their tenant, because its lookup did not
    /// succeed in time: see [`with_stale_if_error`](crate::CacheConfig::with_stale_if_error).
    pub stale: u64,
}

/// The counters of a [`CachedLookup`](crate::CachedLookup).
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<LookupStats>);

impl Counters {
    pub(super) fn stats(&self) -> LookupStats {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self, counter: impl FnOnce(&mut LookupStats) -> &mut u64) {
        let mut stats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counter = counter(&mut stats);
        *counter = counter.saturating_add(1);
    }
}
