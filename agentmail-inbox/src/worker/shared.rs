use std::sync::{Arc, Mutex, PoisonError};

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
    /// A message has its outcome, so that another one may be due: the next one of its agent, or
    /// another interrupted one.
    pub(crate) again: Notify,
}

impl Record {
    pub(crate) fn count(&self, change: impl FnOnce(&mut Tried)) {
        change(&mut self.tried.lock().unwrap_or_else(PoisonError::into_inner));
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
    pub(crate) _interrupted: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// Gives the slot back. Wakes the supervisor afterwards, so that it finds the free slot.
    pub(crate) fn free(self, record: &Record) {
        drop(self);
        record.again.notify_one();
    }
}
