use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time};

use crate::{
    inbox::{Inbox, Outcome},
    message::Message,
    schedule::Schedule,
    work::{Faults, WorkError, work},
};

/// Takes messages out of the inbox and works on them, one after the other.
///
/// A clone is another worker on the same inbox.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    inbox: Inbox,
    schedule: Schedule,
    faults: Arc<Faults>,
    stop: watch::Receiver<bool>,
}

impl Worker {
    /// The pause after the inbox was empty.
    const POLL: Duration = Duration::from_millis(200);
    /// The pause after the inbox has failed.
    const RECOVERY: Duration = Duration::from_secs(1);

    /// Creates a worker that takes no more messages once `stop` is true.
    pub(crate) fn new(
        inbox: Inbox,
        schedule: Schedule,
        faults: Faults,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self { inbox, schedule, faults: Arc::new(faults), stop }
    }

    /// Works until it is told to stop, and then finishes the current message. The others stay in
    /// the inbox until the next start.
    pub(crate) async fn run(mut self) {
        while !*self.stop.borrow() {
            match self.inbox.take(self.schedule).await {
                Ok(Some(message)) => self.handle(message).await,
                Ok(None) => self.rest(Self::POLL).await,
                Err(error) => {
                    tracing::error!(%error, "cannot take a message");
                    self.rest(Self::RECOVERY).await;
                }
            }
        }
    }

    async fn handle(&mut self, message: Message) {
        let Message { id, attempt, .. } = message;
        if self.schedule.is_exceeded_by(attempt) {
            // The attempt before was the last one, and a crash cut it off.
            tracing::error!(id, "dead: its last attempt was cut off");
            return self.record(id, Outcome::Dead).await;
        }
        tracing::info!(id, attempt, "begun");
        let outcome = match self.attempt(message).await {
            Ok(()) => {
                tracing::info!(id, attempt, "done");
                Outcome::Done
            }
            Err(error) if self.schedule.is_exceeded_by(attempt.saturating_add(1)) => {
                tracing::error!(id, attempt, %error, "dead: kept, but not tried again");
                Outcome::Dead
            }
            Err(error) => {
                let pause = self.schedule.pause_after(attempt);
                tracing::warn!(id, attempt, %error, ?pause, "failed: tried again after the pause");
                Outcome::Failed { pause }
            }
        };
        self.record(id, outcome).await;
    }

    /// Works on a message in a task of its own, where a panic is a failure like any other.
    async fn attempt(&self, message: Message) -> Result<(), WorkError> {
        let (limit, faults) = (self.schedule.time_limit(), Arc::clone(&self.faults));
        let task = tokio::spawn(async move { time::timeout(limit, work(message, &faults)).await });
        match task.await {
            Ok(Ok(worked)) => worked,
            Ok(Err(_)) => Err("not done within the time limit".into()),
            Err(_) => Err("the work panicked".into()),
        }
    }

    /// Records the outcome, and tries again until that succeeds. If the process must stop
    /// meanwhile, the message is tried again after the next start.
    async fn record(&mut self, id: i64, outcome: Outcome) {
        while let Err(error) = self.inbox.record(id, outcome).await {
            tracing::error!(id, ?outcome, %error, "cannot record the outcome");
            if *self.stop.borrow() {
                return;
            }
            self.rest(Self::RECOVERY).await;
        }
    }

    /// Waits for the pause, or until it is told to stop.
    async fn rest(&mut self, pause: Duration) {
        _ = time::timeout(pause, self.stop.wait_for(|stop| *stop)).await;
    }
}

/// Forgets, once an hour, messages that are so old that no copy of them can be accepted.
pub(crate) async fn forget_old(inbox: Inbox) {
    /// With both tolerances at their limit of 30 days, a delivery can be replayed for 60 days.
    const MEMORY: Duration = Duration::from_secs(61 * 24 * 60 * 60);

    let mut hourly = time::interval(Duration::from_secs(60 * 60));
    loop {
        hourly.tick().await;
        match inbox.forget(MEMORY).await {
            Ok(0) => {}
            Ok(messages) => tracing::info!(messages, "forgot old messages"),
            Err(error) => tracing::error!(%error, "cannot forget old messages"),
        }
    }
}
