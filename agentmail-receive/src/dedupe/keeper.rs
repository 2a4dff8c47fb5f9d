use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{
    Holding, Key, Owner,
    backend::{AnyBackend, Call},
    counts::Counters,
    settings::Settings,
};

/// A store's own thread: it renews claims, and ends those whose handler could not.
///
/// It is none of the runtime's threads, which a handler may block. It ends with the last handle to the
/// store, when nothing is left to do.
pub(super) struct Keeper {
    runtime: Handle,
    ends: mpsc::UnboundedSender<End>,
    held: Arc<Held>,
}

/// A claim that is left to the background to end.
pub(super) struct End {
    pub(super) key: Key,
    pub(super) owner: Owner,
    /// To be recorded as handled; otherwise to be freed.
    pub(super) handled: Option<Duration>,
    /// When its lease ends, and with it the use of trying.
    pub(super) until: Instant,
    /// Keeps [`Store::drain`](super::Store::drain) waiting. `None` for a claim that was never known to
    /// be granted, which is given back in case it was.
    pub(super) tracked: Option<TaskTrackerToken>,
    /// That it was lost is known and counted.
    pub(super) lost: bool,
}

impl Keeper {
    pub(super) fn start(
        backend: Arc<dyn AnyBackend>,
        settings: Settings,
        counters: Arc<Counters>,
    ) -> io::Result<Self> {
        let (ends, queue) = mpsc::unbounded_channel();
        let held = Arc::<Held>::default();
        let work = Work { backend, settings, counters, held: Arc::clone(&held) };
        let (started, start) = std::sync::mpsc::sync_channel(1);
        // Built and dropped on the thread itself: a runtime must not be dropped where one is running.
        let run = move || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                _ = started.send(Ok(runtime.handle().clone()));
                runtime.block_on(Arc::new(work).run(queue));
            }
            Err(error) => _ = started.send(Err(error)),
        };
        thread::Builder::new().name("agentmail-store".into()).spawn(run)?;
        let runtime = start.recv().map_err(io::Error::other)??;
        Ok(Self { runtime, ends, held })
    }

    /// The runtime of the store's own thread.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Renews a claim from now on. `since` is when its lease was asked for.
    pub(super) fn hold(&self, key: Key, owner: Owner, since: Instant) {
        self.held.lock().insert(owner, Renewed { key, at: since });
    }

    /// Stops renewing a claim; returns when its lease was last asked for. `None`: it is known to be lost.
    pub(super) fn let_go(&self, owner: Owner) -> Option<Instant> {
        self.held.lock().remove(&owner).map(|renewed| renewed.at)
    }

    /// Leaves a claim to the background, without waiting. If the thread has ended, so will the lease.
    pub(super) fn end(&self, end: End) {
        _ = self.ends.send(end);
    }
}

#[derive(Default)]
struct Held(Mutex<HashMap<Owner, Renewed>>);

#[derive(Clone, Copy)]
struct Renewed {
    key: Key,
    at: Instant,
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Renewed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread works with.
struct Work {
    backend: Arc<dyn AnyBackend>,
    settings: Settings,
    counters: Arc<Counters>,
    held: Arc<Held>,
}

/// As many claims that may have been granted are given back at once. The leases of further ones, if
/// there are any, end by themselves.
const GIVEN_BACK: usize = 4_096;

impl Work {
    async fn run(self: Arc<Self>, mut queue: mpsc::UnboundedReceiver<End>) {
        let mut tasks = JoinSet::new();
        let room = Arc::new(Semaphore::new(GIVEN_BACK));
        let mut tick = interval(self.settings.lease() / 6);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                end = queue.recv() => match end {
                    Some(end) if end.handled.is_some() => {
                        tasks.spawn(Arc::clone(&self).complete(end));
                    }
                    Some(end) if end.tracked.is_some() => {
                        tasks.spawn(Arc::clone(&self).release(end));
                    }
                    Some(end) => {
                        if let Ok(permit) = Arc::clone(&room).try_acquire_owned() {
                            tasks.spawn(Arc::clone(&self).give_back(end, permit));
                        }
                    }
                    None => break,
                },
                _ = tick.tick() => self.renew(&mut tasks),
                Some(_) = tasks.join_next() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Renews the claims whose lease is a third over.
    fn renew(self: &Arc<Self>, tasks: &mut JoinSet<()>) {
        let due = |renewed: &Renewed| renewed.at.elapsed() >= self.settings.lease() / 3;
        let due: Vec<(Owner, Key)> = self
            .held
            .lock()
            .iter()
            .filter(|(_, renewed)| due(renewed))
            .map(|(owner, renewed)| (*owner, renewed.key))
            .collect();
        for (owner, key) in due {
            let work = Arc::clone(self);
            tasks.spawn(async move { work.renew_one(owner, key).await });
        }
    }

    async fn renew_one(&self, owner: Owner, key: Key) {
        let at = Instant::now();
        let call = Arc::clone(&self.backend).renew(key, owner, self.settings.lease());
        match timeout(self.settings.deadline(), call).await {
            Ok(Ok(Holding::Held)) => {
                if let Some(renewed) = self.held.lock().get_mut(&owner) {
                    renewed.at = at;
                }
            }
            Ok(Ok(Holding::Lost)) => {
                // Its handler may have let it go in the meantime.
                if self.held.lock().remove(&owner).is_some() {
                    self.counters.note(|counts| counts.lost += 1);
                    tracing::warn!(
                        target: "agentmail",
                        %key,
                        "a claim was lost while its handler runs: the message may be handled twice"
                    );
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(target: "agentmail", %error, %key, "a claim was not renewed");
            }
            Err(_) => tracing::warn!(target: "agentmail", %key, "a claim was not renewed in time"),
        }
    }

    async fn complete(self: Arc<Self>, end: End) {
        let retention = end.handled.unwrap_or_default();
        let complete = || Arc::clone(&self.backend).complete(end.key, end.owner, retention);
        match self.until_answered(end.until, complete).await {
            Some(Holding::Held) => self.counters.note(|counts| counts.completed += 1),
            Some(Holding::Lost) if end.lost => {}
            Some(Holding::Lost) => self.counters.note(|counts| counts.lost += 1),
            None => {
                self.counters.note(|counts| counts.completions_abandoned += 1);
                tracing::error!(
                    target: "agentmail",
                    key = %end.key,
                    "a handled message could not be recorded: a copy of it would be handled again"
                );
            }
        }
    }

    async fn release(self: Arc<Self>, end: End) {
        let release = || Arc::clone(&self.backend).release(end.key, end.owner);
        // Failing that, the lease ends by itself.
        if self.until_answered(end.until, release).await.is_some() {
            self.counters.note(|counts| counts.released += 1);
        }
    }

    async fn give_back(self: Arc<Self>, end: End, _room: OwnedSemaphorePermit) {
        let release = || Arc::clone(&self.backend).release(end.key, end.owner);
        _ = self.until_answered(end.until, release).await;
    }

    /// Repeats a call until it is answered, or the lease ends. A call that panics is not answered.
    async fn until_answered<T: Send + 'static>(
        &self,
        until: Instant,
        call: impl Fn() -> Call<T>,
    ) -> Option<T> {
        let mut pause = Duration::from_millis(50);
        loop {
            let answer = tokio::spawn(timeout(self.settings.deadline(), call())).await;
            if let Ok(Ok(Ok(answer))) = answer {
                return Some(answer);
            }
            if Instant::now() + pause >= until {
                return None;
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
}
