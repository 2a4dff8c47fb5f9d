use std::sync::{Mutex, PoisonError};

/// How often a store did what, since it was made: a copy of its counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Messages claimed, and handed to a handler.
    pub claimed: u64,
    /// Messages recorded as handled.
    pub completed: u64,
    /// Messages freed again: the handler did not answer 2xx.
    pub released: u64,
    /// Copies of a handled message, answered 200.
    pub already_handled: u64,
    /// Copies of a message that was being handled, answered 503.
    pub in_flight: u64,
    /// Deliveries answered 503 because the store did not answer.
    pub unavailable: u64,
    /// Deliveries handed to a handler without a claim; see
    /// [`danger_handle_unclaimed`](super::Store::danger_handle_unclaimed).
    pub unclaimed: u64,
    /// Claims that ended, or went to somebody else, while their handler still ran.
    pub lost: u64,
    /// Records of a handled message that failed at first and were left to the background.
    pub completions_deferred: u64,
    /// Records that had not succeeded when the lease ended: a copy of the message would be handled
    /// again.
    pub completions_abandoned: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<Counts>);

impl Counters {
    pub(super) fn note(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn read(&self) -> Counts {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
