use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    task::JoinHandle,
    time,
};

use crate::{
    backoff::{Backoff, shortened},
    error::InboxError,
    inbox::Inbox,
    observer::StoreOp,
    outcome::{Finish, Outcome},
    store::Pruning,
    take::{Take, TakeToken, Taken},
    telemetry,
    worker::{
        attempt::Attempt,
        finisher::Finisher,
        shared::{Record, Shared, Slot},
        worker::{Settings, Worker},
        workers::Tried,
    },
};

/// The pauses after the store has failed.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Takes messages while there are free slots, and starts an attempt for each.
pub(crate) struct Supervisor {
    inbox: Inbox,
    shared: Arc<Shared>,
    slots: Arc<Semaphore>,
    /// One interrupted message is tried at a time.
    interrupted: Arc<Semaphore>,
    finisher: JoinHandle<()>,
    stop: watch::Receiver<bool>,
}

impl Supervisor {
    /// Also starts the finisher, which ends with the last attempt.
    pub(crate) fn new(worker: Worker, stop: watch::Receiver<bool>) -> Self {
        let Worker { inbox, work, settings } = worker;
        let record = Arc::<Record>::default();
        let (finisher, ended) = mpsc::unbounded_channel();
        let recorder = Finisher {
            store: inbox.store_handle(),
            telemetry: inbox.telemetry(),
            record: Arc::clone(&record),
        };
        let recorder = tokio::spawn(recorder.run(ended));
        Self {
            shared: Arc::new(Shared {
                store: inbox.store_handle(),
                telemetry: inbox.telemetry(),
                work,
                settings,
                finisher,
                record,
            }),
            inbox,
            slots: Arc::new(Semaphore::new(settings.concurrency)),
            interrupted: Arc::new(Semaphore::new(1)),
            finisher: recorder,
            stop,
        }
    }

    /// Returns what the attempts have changed so far.
    pub(crate) fn record(&self) -> Arc<Record> {
        Arc::clone(&self.shared.record)
    }

    /// Works until it is told to stop, and then waits for the current attempts.
    pub(crate) async fn run(mut self) {
        let pruning = prune_hourly(self.inbox.clone(), self.settings().retention);
        while let Some(permits) = self.free_slots().await {
            let limit = permits.len();
            let taken = self.take(limit).await;
            if *self.stop.borrow() {
                self.put_back(&taken).await;
                break;
            }
            let all = taken.len() >= limit;
            self.hand_out(taken, permits);
            if !all {
                self.rest().await;
            }
        }
        pruning.abort();
        _ = pruning.await;
        self.end().await;
    }

    /// Works until no message is due.
    ///
    /// # Errors
    ///
    /// Messages could not be taken.
    pub(crate) async fn run_until_idle(self) -> Result<Tried, InboxError> {
        loop {
            let permits = self.all_slots().await;
            let take = self.next_take(permits.len());
            let taken = Arc::clone(&self.shared.store).take(take).await?;
            if taken.is_empty() {
                let record = self.record();
                self.end().await;
                return Ok(record.tried());
            }
            self.hand_out(taken, permits);
        }
    }

    /// Waits until no attempt is left, and everything is recorded. Nothing uses the store then.
    async fn end(self) {
        let Self { shared, finisher, .. } = self;
        drop(shared);
        // It does not panic, and nobody aborts it.
        _ = finisher.await;
    }

    fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Waits for a free slot, and returns it with all others that are free. `None`: it is told to
    /// stop.
    async fn free_slots(&mut self) -> Option<Vec<OwnedSemaphorePermit>> {
        let slots = Arc::clone(&self.slots);
        let first = tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => return None,
            permit = slots.acquire_owned() => permit.ok()?,
        };
        let mut permits = vec![first];
        while let Ok(permit) = Arc::clone(&self.slots).try_acquire_owned() {
            permits.push(permit);
        }
        Some(permits)
    }

    /// Waits until all slots are free.
    async fn all_slots(&self) -> Vec<OwnedSemaphorePermit> {
        let mut permits = Vec::new();
        for _ in 0..self.settings().concurrency {
            // The semaphore is never closed.
            permits.extend(Arc::clone(&self.slots).acquire_owned().await.ok());
        }
        permits
    }

    /// Takes messages that are due. While the store fails, the call is repeated with the same
    /// token: a call that had no result may have taken messages.
    async fn take(&mut self, limit: usize) -> Vec<Taken> {
        let backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut take = self.next_take(limit);
        let mut failures = 0_u32;
        loop {
            let last = *self.stop.borrow();
            let taken = Arc::clone(&self.shared.store).take(take);
            match self.shared.telemetry.observed(StoreOp::Take, taken).await {
                Ok(taken) => {
                    self.shared.telemetry.call_succeeded("take");
                    return taken;
                }
                Err(error) => self.shared.telemetry.call_failed("take", &error),
            }
            if last {
                return Vec::new();
            }
            take = take.repeated();
            failures = failures.saturating_add(1);
            self.pause(backoff.shortened(failures)).await;
        }
    }

    fn next_take(&self, limit: usize) -> Take {
        let settings = self.settings();
        let take = Take::new(TakeToken::random(), limit, settings.lease)
            .with_interrupted_limit(self.interrupted.available_permits());
        if settings.ordered { take.in_order_per_agent() } else { take }
    }

    /// Starts an attempt for each message.
    fn hand_out(&self, taken: Vec<Taken>, permits: Vec<OwnedSemaphorePermit>) {
        for (taken, permit) in taken.into_iter().zip(permits) {
            let interrupted = if taken.is_interrupted() {
                Arc::clone(&self.interrupted).try_acquire_owned().ok()
            } else {
                None
            };
            let ordered = self.settings().ordered;
            let slot = Slot { _permit: permit, interrupted, ordered };
            self.shared.record.begin();
            tokio::spawn(Attempt { shared: Arc::clone(&self.shared), taken, slot }.run());
        }
    }

    /// Puts messages back that were taken while it was told to stop.
    async fn put_back(&self, taken: &[Taken]) {
        if taken.is_empty() {
            return;
        }
        let put_back = |taken: &Taken| Finish::new(taken.lease(), Outcome::Returned);
        let finished = taken.iter().map(put_back).collect();
        let finished = Arc::clone(&self.shared.store).finish(finished);
        match self.shared.telemetry.observed(StoreOp::Finish, finished).await {
            Ok(_) => self.shared.telemetry.returned(taken.len()),
            // They are tried again when their leases have ended.
            Err(error) => self.shared.telemetry.call_failed("finish", &error),
        }
    }

    /// Waits until a message may be due.
    async fn rest(&mut self) {
        let poll = shortened(self.settings().poll_interval);
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => {}
            () = Arc::clone(&self.shared.store).changed() => {}
            () = self.shared.record.again.notified() => {}
            () = time::sleep(poll) => {}
        }
    }

    /// Waits for the pause, or until it is told to stop.
    async fn pause(&mut self, pause: Duration) {
        _ = time::timeout(pause, self.stop.wait_for(|stop| *stop)).await;
    }
}

/// Deletes, once an hour, messages that are done for so long that no copy of them can be accepted.
fn prune_hourly(inbox: Inbox, retention: Duration) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut hourly = time::interval(Duration::from_secs(3_600));
        loop {
            hourly.tick().await;
            if let Err(error) = inbox.prune(Pruning::new(retention)).await {
                telemetry::prune_failed(&error);
            }
        }
    })
}
