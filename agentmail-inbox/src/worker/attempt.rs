use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    task::JoinError,
    time::{self, Instant, MissedTickBehavior},
};
use tracing::{Instrument, Span};

use crate::{
    lease::LeaseState,
    message::Message,
    observer::{AttemptEnded, AttemptOutcome, StoreOp},
    outcome::{Finish, Outcome},
    retry::{Wish, with_sources},
    state::State,
    store::BoxError,
    take::Taken,
    worker::{
        finisher::Ended,
        shared::{Shared, Slot},
    },
};

/// One attempt to do the work for a message.
pub(crate) struct Attempt {
    pub(crate) shared: Arc<Shared>,
    pub(crate) taken: Taken,
    pub(crate) slot: Slot,
}

/// How the work has ended.
enum Worked {
    Ok,
    Failed(AttemptOutcome, BoxError),
    /// Another worker has the message.
    Lost,
}

impl Attempt {
    /// Does the work, and leaves the outcome to the finisher.
    pub(crate) async fn run(self) {
        let span = self.shared.telemetry.attempt(&self.taken);
        let ended = self.outcome().instrument(span.clone()).await;
        let Self { shared, taken, slot } = self;
        if let Some((outcome, end)) = ended {
            let finish = Finish::new(taken.lease(), outcome);
            // The finisher runs for as long as there is an attempt.
            _ = shared.finisher.send(Ended { finish, slot, span, end });
        } else {
            slot.free(&shared.record);
        }
    }

    /// Returns the outcome to record, or `None` if there is nothing to record.
    async fn outcome(&self) -> Option<(Outcome, AttemptEnded)> {
        let dead = |reason: &str| Some((Outcome::dead(reason), NOT_BEGUN));
        let attempts = self.shared.settings.attempts;
        if self.taken.attempt() > attempts {
            // The attempt before was the last one, and it had no outcome.
            return dead("its last attempt was cut off, for example by a crash");
        }
        let message = match Message::new(self.taken.clone()) {
            Ok(message) => message,
            Err(error) => return dead(&format!("not an event: {error}")),
        };
        self.shared.telemetry.begun();
        let in_transaction = message.finished_in_transaction();
        let begun = Instant::now();
        let worked = self.work(message).await;
        let end = self.end(begun.elapsed());
        match worked {
            Worked::Ok if in_transaction.load(Ordering::Acquire) => {
                self.check_transaction(end).await
            }
            Worked::Ok => Some((Outcome::Done, end)),
            Worked::Failed(how, error) => {
                Some((self.failed(&error), AttemptEnded { outcome: how, ..end }))
            }
            Worked::Lost => {
                self.shared.telemetry.lost(end);
                self.shared.record.count(|tried| tried.lost = tried.lost.saturating_add(1));
                None
            }
        }
    }

    /// Runs the work in a task of its own, where a panic is a failure like any other. Renews the
    /// lease meanwhile.
    async fn work(&self, message: Message) -> Worked {
        let Shared { store, telemetry, settings, .. } = &*self.shared;
        let work = Arc::clone(&self.shared.work);
        let mut task = tokio::spawn(async move { work(message).await }.instrument(Span::current()));
        let mut time_limit = std::pin::pin!(time::sleep(settings.time_limit));
        let mut renewals = renewals(settings.lease);
        loop {
            tokio::select! {
                biased;
                result = &mut task => return worked(result),
                () = &mut time_limit => {
                    task.abort();
                    let error = "not done within the time limit".into();
                    return Worked::Failed(AttemptOutcome::Timeout, error);
                }
                _ = renewals.tick() => {
                    let renewed = Arc::clone(store).renew(self.taken.lease(), settings.lease);
                    match telemetry.observed(StoreOp::Renew, renewed).await {
                        Ok(LeaseState::Held) => telemetry.call_succeeded("renew"),
                        Ok(LeaseState::Lost) => {
                            task.abort();
                            return Worked::Lost;
                        }
                        // The outcome is recorded if no other worker takes the message meanwhile.
                        Err(error) => telemetry.call_failed("renew", &error),
                    }
                }
            }
        }
    }

    /// Returns what the observers get to know, if the work is done.
    fn end(&self, duration: Duration) -> AttemptEnded {
        AttemptEnded {
            outcome: AttemptOutcome::Done,
            duration: Some(duration),
            latency: self.taken.age().map(|age| age.saturating_add(duration)),
        }
    }

    fn failed(&self, error: &BoxError) -> Outcome {
        let attempt = self.taken.attempt();
        let reason = with_sources(&**error);
        match Wish::of(&**error) {
            Wish::GiveUp => Outcome::dead(&reason),
            _ if attempt >= self.shared.settings.attempts => Outcome::dead(&reason),
            Wish::Retry(Some(pause)) => Outcome::retry(pause, &reason),
            Wish::Retry(None) => {
                Outcome::retry(self.shared.settings.backoff.shortened(attempt), &reason)
            }
        }
    }

    /// The work has recorded the message as done in a transaction of its own: checks that the
    /// transaction was committed.
    async fn check_transaction(&self, end: AttemptEnded) -> Option<(Outcome, AttemptEnded)> {
        let Shared { store, telemetry, record, .. } = &*self.shared;
        let states = Arc::clone(store).states(vec![self.taken.key()]).await;
        match states.map(|states| states.first().copied().flatten()) {
            Ok(Some(State::Taken)) => {
                let failed = AttemptEnded { outcome: AttemptOutcome::Failed, ..end };
                Some((self.failed(&NOT_COMMITTED.into()), failed))
            }
            // If the store failed, nobody knows. A message that is still taken is due again when
            // its lease ends.
            Ok(_) | Err(_) => {
                telemetry.done(end);
                record.count(|tried| tried.done = tried.done.saturating_add(1));
                None
            }
        }
    }
}

/// The end of an attempt whose work has not begun.
const NOT_BEGUN: AttemptEnded =
    AttemptEnded { outcome: AttemptOutcome::Dead, duration: None, latency: None };

const NOT_COMMITTED: &str =
    "the work returned `Ok`, but the transaction that records the message was not committed";

fn worked(result: Result<Result<(), BoxError>, JoinError>) -> Worked {
    match result {
        Ok(Ok(())) => Worked::Ok,
        Ok(Err(error)) => Worked::Failed(AttemptOutcome::Failed, error),
        // The text of a panic may quote the mail.
        Err(_) => Worked::Failed(AttemptOutcome::Panic, "the work panicked".into()),
    }
}

/// Ticks after each third of a lease.
fn renewals(lease: Duration) -> time::Interval {
    let period = lease / 3;
    let mut renewals = time::interval_at(Instant::now() + period, period);
    renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    renewals
}
