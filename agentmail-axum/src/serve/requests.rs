use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts the requests of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
}

impl Requests {
    /// Begins a request, which ends when the returned value is dropped.
    pub(super) fn begin(&self) -> InProgress {
        self.0.begun.fetch_add(1, Ordering::AcqRel);
        InProgress(self.clone())
    }

    /// Returns how many requests have begun.
    pub(super) fn begun(&self) -> usize {
        self.0.begun.load(Ordering::Acquire)
    }

    /// Returns whether a request has begun and not ended.
    pub(super) fn in_progress(&self) -> bool {
        self.begun() != self.0.ended.load(Ordering::Acquire)
    }
}

/// A request from its head to the end of its response.
#[derive(Debug)]
pub(super) struct InProgress(Requests);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}
