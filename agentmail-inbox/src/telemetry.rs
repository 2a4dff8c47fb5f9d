//! Counts and logs each outcome of this crate. Each outcome has one method.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use agentmail_receive::MessageKey;
use tracing::{Span, field::Empty};

use crate::{
    error::InboxError,
    observer::{
        AttemptEnded, AttemptOutcome, MessageStored, Observers, Sample, StoreCall, StoreOp,
    },
    retry::with_sources,
    store::Stored,
    take::Taken,
};

/// The target of each log event.
const TARGET: &str = "agentmail";

/// How often each outcome has occurred since an [`Inbox`](crate::Inbox) was created, in this
/// process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboxStats {
    /// Messages stored.
    pub stored: u64,
    /// Copies of stored messages.
    pub known: u64,
    /// Deliveries that got 503, because they could not be stored.
    pub unavailable: u64,
    /// Attempts that have begun.
    pub attempts: u64,
    /// Attempts that succeeded.
    pub done: u64,
    /// Attempts that failed, and are followed by another one.
    pub retried: u64,
    /// Messages that became dead.
    pub dead: u64,
    /// Attempts whose outcome was not recorded, because another worker had taken the message.
    pub lost: u64,
    /// Messages that were taken and put back, because the worker was shutting down.
    pub returned: u64,
}

/// The counters of an [`Inbox`](crate::Inbox), its observers, and whether its store works.
#[derive(Debug)]
pub(crate) struct Telemetry {
    state: Mutex<State>,
    observers: Observers,
    /// The name of the store.
    store: &'static str,
}

#[derive(Debug, Default)]
struct State {
    stats: InboxStats,
    /// By the name of the call.
    outages: BTreeMap<&'static str, Outage>,
}

/// The time from a call that failed to the next one that succeeds.
#[derive(Debug)]
struct Outage {
    since: Instant,
    failed_calls: u64,
}

impl Telemetry {
    pub(crate) fn new(observers: Observers, store: &'static str) -> Self {
        Self { state: Mutex::default(), observers, store }
    }

    pub(crate) const fn observers(&self) -> &Observers {
        &self.observers
    }

    /// Reports a call of the store to the observers when it has ended.
    pub(crate) async fn observed<T>(
        &self,
        op: StoreOp,
        call: impl Future<Output = Result<T, InboxError>>,
    ) -> Result<T, InboxError> {
        if !self.observers.is_on() {
            return call.await;
        }
        let started = Instant::now();
        let result = call.await;
        let duration = started.elapsed();
        let call = StoreCall { store: self.store, op, duration, succeeded: result.is_ok() };
        self.observers.each(|observer| observer.store_call(&call));
        result
    }

    pub(crate) fn sampled(&self, sample: &Sample) {
        self.observers.each(|observer| observer.sampled(sample));
        self.call_succeeded("sample");
    }

    /// Reports the end of an attempt, also to the current span, which is its own.
    ///
    /// It is called after the log line, which shows the fields of the span.
    fn ended(&self, end: AttemptEnded) {
        self.observers.each(|observer| observer.attempt(&end));
        let span = Span::current();
        span.record("outcome", end.outcome.name());
        if end.outcome != AttemptOutcome::Done {
            span.record("error.type", end.outcome.name()).record("otel.status_code", "ERROR");
        }
    }

    pub(crate) fn stats(&self) -> InboxStats {
        self.lock().stats
    }

    pub(crate) fn stored(&self, key: MessageKey, stored: Stored) {
        let new = stored == Stored::New;
        self.count(|stats| if new { &mut stats.stored } else { &mut stats.known });
        self.observers.each(|observer| observer.stored(&MessageStored { stored }));
        self.call_succeeded("store");
        tracing::debug!(target: TARGET, %key, new, "stored");
    }

    /// A delivery is refused. The refusal has a line of its own.
    pub(crate) fn unavailable(&self, key: MessageKey, error: &InboxError) {
        self.count(|stats| &mut stats.unavailable);
        let error = with_sources(error);
        if self.begins_outage("store") {
            tracing::error!(target: TARGET, %key, error, "a message could not be stored");
        } else {
            tracing::debug!(target: TARGET, %key, error, "a message could not be stored");
        }
    }

    /// Creates the span of an attempt. Its field `key` is also in the line of the delivery.
    pub(crate) fn attempt(&self, taken: &Taken) -> Span {
        let trace_parent = taken.trace_parent();
        tracing::info_span!(
            target: TARGET,
            "attempt",
            id = taken.lease().id().get(),
            attempt = taken.attempt(),
            key = %taken.key(),
            trace_parent,
            outcome = Empty,
            error.type = Empty,
            otel.status_code = Empty
        )
    }

    pub(crate) fn begun(&self) {
        self.count(|stats| &mut stats.attempts);
        tracing::debug!(target: TARGET, "begun");
    }

    pub(crate) fn done(&self, end: AttemptEnded) {
        self.count(|stats| &mut stats.done);
        tracing::info!(target: TARGET, "done");
        self.ended(AttemptEnded { outcome: AttemptOutcome::Done, ..end });
    }

    pub(crate) fn retried(&self, end: AttemptEnded, reason: &str, pause: Duration) {
        self.count(|stats| &mut stats.retried);
        tracing::warn!(target: TARGET, reason, ?pause, "failed: tried again after the pause");
        self.ended(AttemptEnded { latency: None, ..end });
    }

    pub(crate) fn dead(&self, end: AttemptEnded, reason: &str) {
        self.count(|stats| &mut stats.dead);
        tracing::error!(target: TARGET, reason, "dead: kept, but not tried again");
        self.ended(AttemptEnded { outcome: AttemptOutcome::Dead, latency: None, ..end });
    }

    /// Another worker has taken the message, because the lease of this attempt ended.
    pub(crate) fn lost(&self, end: AttemptEnded) {
        self.count(|stats| &mut stats.lost);
        tracing::warn!(
            target: TARGET,
            "the lease of the attempt ended, and another worker has the message: its outcome is \
             not recorded"
        );
        self.ended(AttemptEnded { outcome: AttemptOutcome::LeaseLost, latency: None, ..end });
    }

    pub(crate) fn returned(&self, messages: usize) {
        for _ in 0..messages {
            self.count(|stats| &mut stats.returned);
        }
        tracing::info!(target: TARGET, messages, "put back, because the worker shuts down");
    }

    /// A call of a worker has failed. It is repeated.
    pub(crate) fn call_failed(&self, call: &'static str, error: &InboxError) {
        let error = with_sources(error);
        if self.begins_outage(call) {
            tracing::error!(target: TARGET, call, error, "the store of the inbox has failed");
        } else {
            tracing::debug!(target: TARGET, call, error, "the store of the inbox has failed");
        }
    }

    /// A call has succeeded: an outage has ended.
    pub(crate) fn call_succeeded(&self, call: &'static str) {
        let outage = self.lock().outages.remove(call);
        if let Some(Outage { since, failed_calls }) = outage {
            let seconds = since.elapsed().as_secs();
            tracing::info!(target: TARGET, call, failed_calls, seconds, "the store works again");
        }
    }

    /// Returns whether the call that has failed is the first one of an outage.
    fn begins_outage(&self, call: &'static str) -> bool {
        let mut state = self.lock();
        let begin = || Outage { since: Instant::now(), failed_calls: 0 };
        let outage = state.outages.entry(call).or_insert_with(begin);
        outage.failed_calls = outage.failed_calls.saturating_add(1);
        outage.failed_calls == 1
    }

    fn count(&self, counter: impl FnOnce(&mut InboxStats) -> &mut u64) {
        let mut state = self.lock();
        let counter = counter(&mut state.stats);
        *counter = counter.saturating_add(1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "metrics")]
pub(crate) fn no_recorder() {
    tracing::warn!(
        target: TARGET,
        "no recorder of metrics is installed: install one first, for the same version of the crate \
         `metrics`, then call `register`"
    );
}

/// An operator has let messages be tried again.
pub(crate) fn redriven(messages: u64, by: &str) {
    tracing::warn!(target: TARGET, messages, by, "an operator has redriven messages");
}

/// An operator has made messages dead.
pub(crate) fn given_up(messages: u64, reason: &str) {
    tracing::warn!(target: TARGET, messages, reason, "an operator has given messages up");
}

/// Messages that were done long ago are forgotten.
pub(crate) fn pruned(messages: u64) {
    tracing::info!(target: TARGET, messages, "deleted old messages");
}

pub(crate) fn prune_failed(error: &(dyn Error + 'static)) {
    let error = with_sources(error);
    tracing::error!(target: TARGET, error, "cannot delete old messages");
}

/// A store has found a row that it cannot read.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "test-util"))]
pub(crate) fn unreadable(id: i64, reason: &str) {
    tracing::error!(target: TARGET, id, reason, "dead: the row cannot be read");
}

/// A request gave up waiting, and its message was stored afterwards.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn stored_unseen() {
    tracing::debug!(target: TARGET, "stored, but the request did not wait for it");
}

/// The clock of this machine is behind the last write in the database.
#[cfg(feature = "sqlite")]
pub(crate) fn clock_was_set_back(by: Duration, messages: usize) {
    tracing::warn!(
        target: TARGET,
        ?by,
        messages,
        "the clock was set back since the last write: messages are due earlier by this time"
    );
}
