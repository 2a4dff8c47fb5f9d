use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time;

use crate::{
    any_store::AnyStore,
    error::InboxError,
    observer::{Sample, SampleCounts},
    telemetry::Telemetry,
};

/// Looks into the store at an interval, for the observers.
///
/// It is not a part of a worker: if all workers have ended, it reports that messages become old.
#[derive(Debug)]
pub(crate) struct Sampler {
    interval: Duration,
    started: AtomicBool,
}

impl Sampler {
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { interval, started: AtomicBool::new(false) }
    }

    /// Starts to sample in a task of the current runtime, if anything observes. Later calls do
    /// nothing.
    pub(crate) fn start(&self, store: &Arc<dyn AnyStore>, telemetry: &Arc<Telemetry>) {
        if !telemetry.observers().is_on() || self.started.swap(true, Ordering::Relaxed) {
            return;
        }
        let (store, telemetry) = (Arc::downgrade(store), Arc::clone(telemetry));
        tokio::spawn(run(store, telemetry, self.interval));
    }
}

/// Ends with the inbox and its workers: it holds the store only during its calls.
async fn run(store: Weak<dyn AnyStore>, telemetry: Arc<Telemetry>, interval: Duration) {
    let mut counts = [true, false, false, false].into_iter().cycle();
    loop {
        time::sleep(interval).await;
        let Some(store) = store.upgrade() else { return };
        match sample(&store, counts.next() == Some(true)).await {
            Ok(sample) => telemetry.sampled(&sample),
            Err(error) => telemetry.call_failed("sample", &error),
        }
    }
}

async fn sample(store: &Arc<dyn AnyStore>, counts: bool) -> Result<Sample, InboxError> {
    let oldest_due = Arc::clone(store).oldest_due().await?.unwrap_or_default();
    let counts = if counts { Some(count(store).await?) } else { None };
    Ok(Sample { oldest_due, counts })
}

async fn count(store: &Arc<dyn AnyStore>) -> Result<SampleCounts, InboxError> {
    let counts = Arc::clone(store).counts().await?;
    let due = Arc::clone(store).due().await?.unwrap_or(0);
    Ok(SampleCounts {
        due,
        // A message may have become due between the two calls.
        waiting: counts.waiting.saturating_sub(due),
        running: counts.taken,
        dead: counts.dead,
    })
}
