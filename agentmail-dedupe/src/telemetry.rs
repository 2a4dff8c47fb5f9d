//! Counts and logs each outcome of this crate. Each outcome has one method.

use std::{
    error::Error,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tracing::field::{Empty, display};
// Only this file uses `tracing`.
pub(crate) use tracing::{Instrument, Span};

use crate::{
    error::{ClaimError, StoreError},
    key::ClaimKey,
    observer::{DedupeOutcome, Observers},
};

/// The target of each log event.
const TARGET: &str = "agentmail";

/// How often each outcome has occurred since a [`Claims`](crate::Claims) was created. The values do
/// not change after [`Claims::stats`](crate::Claims::stats) has returned them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DedupeStats {
    /// Messages claimed for a handler.
    pub claimed: u64,
    /// Messages recorded as handled.
    pub completed: u64,
    /// Messages released because the handler did not succeed.
    pub released: u64,
    /// Copies of a handled message.
    pub already_handled: u64,
    /// Copies of a message that was being handled.
    pub in_flight: u64,
    /// Messages refused because the store failed, did not respond, or was full.
    pub unavailable: u64,
    /// Messages handled without a claim: see
    /// [`danger_handle_unclaimed`](crate::ClaimsConfig::danger_handle_unclaimed).
    pub unclaimed: u64,
    /// Claims that ended, or went to another owner, while their handler was running.
    pub lost: u64,
    /// Handled messages that the store did not record at first. The background thread tries again.
    pub completions_deferred: u64,
    /// Handled messages that the store had not recorded when their claim expired. A copy of such a
    /// message would be handled again.
    pub completions_abandoned: u64,
}

/// The counters of a [`Claims`](crate::Claims), its observers, and whether its store works.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    state: Mutex<State>,
    observers: Observers,
}

#[derive(Debug, Default)]
struct State {
    stats: DedupeStats,
    outage: Option<Outage>,
}

/// The time from a claim that failed to the next one that succeeds.
#[derive(Debug)]
struct Outage {
    since: Instant,
    failed_claims: u64,
}

impl Telemetry {
    pub(crate) fn new(observers: Observers) -> Self {
        Self { state: Mutex::default(), observers }
    }

    pub(crate) const fn observers(&self) -> &Observers {
        &self.observers
    }

    /// Creates the span of a request for a claim.
    pub(crate) fn span(key: ClaimKey) -> Span {
        tracing::debug_span!(
            target: TARGET,
            "claim",
            %key,
            outcome = Empty,
            error.type = Empty,
            otel.status_code = Empty
        )
    }

    pub(crate) fn stats(&self) -> DedupeStats {
        self.lock().stats
    }

    pub(crate) fn claimed(&self, span: &Span) {
        self.count(|stats| &mut stats.claimed);
        self.end(span, DedupeOutcome::Claimed);
        self.store_works();
    }

    pub(crate) fn refused(&self, span: &Span, key: ClaimKey, error: &ClaimError) {
        match error {
            ClaimError::AlreadyHandled => {
                self.count(|stats| &mut stats.already_handled);
                self.end(span, DedupeOutcome::AlreadyHandled);
            }
            ClaimError::InFlight => {
                self.count(|stats| &mut stats.in_flight);
                self.end(span, DedupeOutcome::InFlight);
            }
            ClaimError::Unavailable(error) => {
                self.count(|stats| &mut stats.unavailable);
                self.store_failed(error);
                warn(
                    "a message could not be claimed and is refused: the sender may send it again",
                    key,
                    error,
                );
                // After the log line, which shows the fields of the span.
                self.end(span, DedupeOutcome::StoreError);
            }
        }
    }

    pub(crate) fn unclaimed(&self, span: &Span, key: ClaimKey, error: &StoreError) {
        self.count(|stats| &mut stats.unclaimed);
        self.store_failed(error);
        warn("a message is handled without a claim: each copy of it is handled too", key, error);
        self.end(span, DedupeOutcome::StoreError);
    }

    /// A claim was granted: an outage has ended.
    pub(crate) fn store_works(&self) {
        let outage = self.lock().outage.take();
        if let Some(Outage { since, failed_claims }) = outage {
            let seconds = since.elapsed().as_secs();
            tracing::info!(target: TARGET, failed_claims, seconds, "the claim store works again");
        }
    }

    /// A claim has failed: the first one begins an outage.
    fn store_failed(&self, error: &StoreError) {
        if let StoreError::Failed(_) | StoreError::Timeout { .. } = error {
            let begin = || Outage { since: Instant::now(), failed_claims: 0 };
            let failed_claims = {
                let mut state = self.lock();
                let outage = state.outage.get_or_insert_with(begin);
                outage.failed_claims = outage.failed_claims.saturating_add(1);
                outage.failed_claims
            };
            if failed_claims == 1 {
                let source = error.source().map(display);
                tracing::warn!(target: TARGET, %error, source, "the claim store has failed");
            }
        }
    }

    pub(crate) fn completed(&self) {
        self.count(|stats| &mut stats.completed);
        self.observers.outcome(DedupeOutcome::Completed);
    }

    pub(crate) fn released(&self) {
        self.count(|stats| &mut stats.released);
        self.observers.outcome(DedupeOutcome::Released);
    }

    pub(crate) fn renewal_failed(&self, key: ClaimKey, error: &StoreError) {
        warn(
            "a claim could not be renewed: the store is called again until the claim expires",
            key,
            error,
        );
    }

    /// A renewal found that the claim has ended.
    pub(crate) fn lost_while_running(&self, key: ClaimKey) {
        self.count(|stats| &mut stats.lost);
        self.observers.outcome(DedupeOutcome::Lost);
        tracing::warn!(
            target: TARGET,
            %key,
            "a claim ended while its handler was still running: the message may be handled twice"
        );
    }

    /// A completion found that another owner has the message.
    pub(crate) fn lost_at_completion(&self, key: ClaimKey) {
        self.count(|stats| &mut stats.lost);
        self.observers.outcome(DedupeOutcome::Lost);
        tracing::warn!(
            target: TARGET,
            %key,
            "a handler succeeded, but another attempt had claimed the message: it may be handled \
             twice"
        );
    }

    pub(crate) fn completion_deferred(&self, key: ClaimKey, error: &StoreError) {
        self.count(|stats| &mut stats.completions_deferred);
        self.observers.outcome(DedupeOutcome::StoreError);
        warn(
            "a handled message is not recorded yet: the store is called until the claim expires",
            key,
            error,
        );
    }

    pub(crate) fn completion_abandoned(&self, key: ClaimKey) {
        self.count(|stats| &mut stats.completions_abandoned);
        tracing::error!(
            target: TARGET,
            %key,
            "a handled message was not recorded before its claim expired: a copy of it would be \
             handled again"
        );
    }

    pub(crate) fn release_deferred(&self, key: ClaimKey, error: &StoreError) {
        warn(
            "a message could not be released: the store is called again until the claim expires",
            key,
            error,
        );
    }

    /// Reports the outcome of a request for a claim, also to its span.
    fn end(&self, span: &Span, outcome: DedupeOutcome) {
        self.observers.outcome(outcome);
        span.record("outcome", outcome.name());
        if outcome == DedupeOutcome::StoreError {
            span.record("error.type", outcome.name()).record("otel.status_code", "ERROR");
        }
    }

    fn count(&self, counter: impl FnOnce(&mut DedupeStats) -> &mut u64) {
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

/// A [`MemoryStore`](crate::MemoryStore) has reached four fifths of its capacity.
pub(crate) fn memory_nearly_full(keys: usize, capacity: usize) {
    tracing::warn!(
        target: TARGET,
        keys,
        capacity,
        "the memory store is four fifths full, and refuses new messages when it is full: raise its \
         capacity, or shorten the retention"
    );
}

/// A Redis server has an eviction policy other than `noeviction`.
#[cfg(feature = "redis")]
pub(crate) fn redis_may_evict(policy: &str) {
    tracing::warn!(
        target: TARGET,
        policy,
        "this Redis server may evict the records of handled messages, and copies of them would be \
         handled again: set maxmemory-policy to noeviction"
    );
}

#[cfg(feature = "redis")]
pub(crate) fn redis_eviction_unknown() {
    tracing::debug!(target: TARGET, "the eviction policy of this Redis server could not be read");
}

/// Logs a failed call. The log is the only place that shows its cause.
fn warn(message: &'static str, key: ClaimKey, error: &StoreError) {
    let source = error.source().map(display);
    tracing::warn!(target: TARGET, %key, %error, source, "{message}");
}
