use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};

use crate::{
    any_store::AnyStore,
    telemetry::Telemetry,
    worker::{
        finisher::Ended,
        worker::{Settings, Work},
        workers::Tried,
    },
};

/// What all attempts of a worker share.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn AnyStore>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) work: Work,
    pub(crate) settings: Settings,
    pub(crate) finisher: mpsc::UnboundedSender<Ended>,
    pub(crate) record: Arc<Record>,
}

/// What the ends of attempts change.
#[derive(Debug, Default)]
pub(crate) struct Record {
    tried: Mutex<Tried>,
    running: AtomicUsize,
    /// A message has its outcome, so that another one may be due: the next one of its agent, or
    /// another interrupted one.
    pub(crate) again: Notify,
}

impl Record {
    pub(crate) fn count(&self, change: impl FnOnce(&mut Tried)) {
        change(&mut self.tried.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// An attempt begins. It ends when its slot is free.
    pub(crate) fn begin(&self) {
        self.running.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many attempts have begun and not ended.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    pub(crate) fn tried(&self) -> Tried {
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to work on a message. It is given back when the outcome is recorded.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) _permit: OwnedSemaphorePermit,
    /// For an interrupted message.
    pub(crate) interrupted: Option<OwnedSemaphorePermit>,
    /// Whether messages of an agent are taken one after the other.
    pub(crate) ordered: bool,
}

impl Slot {
    /// Gives the slot back. If another message may be due because of that, it wakes the supervisor
    /// afterwards.
    pub(crate) fn free(self, record: &Record) {
        let wakes = self.ordered || self.interrupted.is_some();
        drop(self);
        record.running.fetch_sub(1, Ordering::Relaxed);
        if wakes {
            record.again.notify_one();
        }
    }
}
