use std::{hash::Hash, sync::Arc, thread};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{lanes::Place, results::Results};
use crate::{
    refusal::Refusal,
    source::{Failure, tenant::Tenant},
};

/// What the deliveries that wait for a lookup see of it.
#[derive(Clone)]
pub(super) enum Progress {
    Running,
    /// It takes longer than a delivery waits that has a last known result.
    Slow,
    Done(Result<Tenant, Failure>),
    /// Somebody has called `forget`: its result must not be used.
    Forgotten,
}

/// A lookup that runs, or waits for its turn. For each key, there is one at a time.
pub(super) struct Flight {
    /// Distinguishes it from an earlier lookup of the same key, which was forgotten.
    pub(super) id: u64,
    pub(super) progress: watch::Sender<Progress>,
}

/// The task of a [`Flight`].
pub(super) struct FlightTask<K: Hash + Eq + Clone + Send + Sync + 'static> {
    pub(super) results: Arc<Results<K>>,
    pub(super) key: K,
    pub(super) id: u64,
    pub(super) place: Place,
    pub(super) outcome: Outcome,
}

pub(super) struct Outcome {
    pub(super) found: Result<Tenant, Failure>,
    /// The source has responded within the time that a delivery waits if it has a last result.
    pub(super) is_in_time: bool,
}

impl Default for Outcome {
    /// The outcome of a task that panics, or that is dropped with its runtime.
    fn default() -> Self {
        Self { found: Err(Refusal::LookupFailed.into()), is_in_time: false }
    }
}

impl<K> FlightTask<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    pub(super) async fn run(mut self) {
        let results = &self.results;
        let limit = results.config.lookup_timeout();
        let (created, mut has_started) = (Instant::now(), false);
        let lookup = async {
            let _turn = self.place.turn().await;
            // Many may reach their turn at this moment, because the others have timed out.
            if created.elapsed() >= limit {
                return Outcome { found: Err(Refusal::LookupBusy.into()), is_in_time: false };
            }
            has_started = true;
            results.started();
            let mut found = (results.find)(self.key.clone());
            match timeout(results.config.stale_after(), &mut found).await {
                Ok(found) => Outcome { found, is_in_time: true },
                Err(_) => {
                    results.is_slow(&self.key, self.id);
                    Outcome { found: found.await, is_in_time: false }
                }
            }
        };
        let outcome = timeout(limit, lookup).await;
        self.outcome = outcome.unwrap_or_else(|_| {
            let timed_out = Refusal::LookupTimeout { timeout: limit };
            let refusal = if has_started { timed_out } else { Refusal::LookupBusy };
            Outcome { found: Err(refusal.into()), is_in_time: false }
        });
    }
}

/// Reports the outcome, however the task ends.
impl<K> Drop for FlightTask<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    fn drop(&mut self) {
        let mut outcome = std::mem::take(&mut self.outcome);
        if thread::panicking() {
            outcome.found = Err(Failure::panicked("`find`"));
        }
        self.results.ended(&self.key, self.id, outcome);
    }
}
