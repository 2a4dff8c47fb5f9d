use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time};
use tracing::Span;

use crate::{
    any_store::AnyStore,
    backoff::Backoff,
    lease::LeaseState,
    observer::{AttemptEnded, StoreOp},
    outcome::{Finish, Outcome},
    telemetry::Telemetry,
    worker::shared::{Record, Slot},
};

/// How many outcomes one call of the store records at most.
const BATCH: usize = 256;
/// The pauses after the store has failed.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// An attempt that has ended, and whose outcome is not recorded yet.
pub(crate) struct Ended {
    pub(crate) finish: Finish,
    pub(crate) slot: Slot,
    pub(crate) span: Span,
    pub(crate) end: AttemptEnded,
}

/// Records outcomes. All that end during one call of the store are recorded by the next call.
pub(crate) struct Finisher {
    pub(crate) store: Arc<dyn AnyStore>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) record: Arc<Record>,
}

impl Finisher {
    /// Runs until no attempt can send an outcome any more.
    pub(crate) async fn run(self, mut ended: mpsc::UnboundedReceiver<Ended>) {
        while let Some(first) = ended.recv().await {
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(next) = ended.try_recv()
            {
                batch.push(next);
            }
            self.finish(batch).await;
        }
    }

    /// Records outcomes, and tries again until that succeeds. If the process ends first, the
    /// messages are tried again when their leases have ended.
    async fn finish(&self, batch: Vec<Ended>) {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let finished: Vec<_> = batch.iter().map(|ended| ended.finish.clone()).collect();
        let mut failures = 0_u32;
        let states = loop {
            let call = Arc::clone(&self.store).finish(finished.clone());
            match self.telemetry.observed(StoreOp::Finish, call).await {
                Ok(states) => break states,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    self.telemetry.call_failed("finish", &error);
                    time::sleep(backoff.shortened(failures)).await;
                }
            }
        };
        self.telemetry.call_succeeded("finish");
        for (Ended { finish, slot, span, end }, state) in batch.into_iter().zip(states) {
            span.in_scope(|| self.count(finish.outcome(), end, state));
            slot.free(&self.record);
        }
    }

    fn count(&self, outcome: &Outcome, end: AttemptEnded, state: LeaseState) {
        if state == LeaseState::Lost {
            self.telemetry.lost(end);
            return self.record.count(|tried| tried.lost = tried.lost.saturating_add(1));
        }
        match outcome {
            Outcome::Done => {
                self.telemetry.done(end);
                self.record.count(|tried| tried.done = tried.done.saturating_add(1));
            }
            Outcome::Retry { pause, reason } => {
                self.telemetry.retried(end, reason, *pause);
                self.record.count(|tried| tried.retried = tried.retried.saturating_add(1));
            }
            Outcome::Dead { reason } => {
                self.telemetry.dead(end, reason);
                self.record.count(|tried| tried.dead = tried.dead.saturating_add(1));
            }
            // The supervisor puts messages back, not an attempt.
            Outcome::Returned => {}
        }
    }
}
