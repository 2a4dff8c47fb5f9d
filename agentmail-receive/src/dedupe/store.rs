use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::{
    Backend, Counts, Key, LeaseError, StoreError,
    backend::{AnyBackend, Call},
    counts::Counters,
    keeper::Keeper,
    settings::Settings,
};

/// A handle to what keeps claims: a [`Backend`], and a thread of its own that renews them.
///
/// A clone is a handle to the same store. Make *one*, before the server starts: in actix-web outside of
/// `HttpServer::new`, whose closure runs once per worker. Configure it before it is cloned: each
/// setting makes another store of the same back end, which [`drain`](Self::drain) and
/// [`counts`](Self::counts) of the first know nothing of.
///
/// ```
/// use agentmail_receive::{Memory, Store};
///
/// let store = Store::new(Memory::new());
/// ```
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_lease`](Self::with_lease) | 60 seconds |
/// | [`with_retention`](Self::with_retention) | 3 days |
/// | [`with_deadline`](Self::with_deadline) | 2 seconds |
/// | [`danger_handle_unclaimed`](Self::danger_handle_unclaimed) | off |
#[derive(Clone)]
#[must_use]
pub struct Store {
    backend: Arc<dyn AnyBackend>,
    settings: Settings,
    running: Arc<Running>,
}

/// What the clones of a store share.
#[derive(Default)]
struct Running {
    keeper: OnceLock<Keeper>,
    tracker: TaskTracker,
    counters: Arc<Counters>,
}

impl Store {
    /// Keeps claims in this back end.
    pub fn new(backend: impl Backend) -> Self {
        Self { backend: Arc::new(backend), settings: Settings::default(), running: Arc::default() }
    }

    /// Sets how long a claim lasts without being renewed. It is renewed each third of that, for as long
    /// as its handler runs: the lease is the time after which a crashed process frees its messages.
    ///
    /// # Errors
    ///
    /// It is shorter than a second, or longer than a day.
    pub fn with_lease(self, lease: Duration) -> Result<Self, LeaseError> {
        let leased = self.settings.with_lease(lease)?;
        Ok(self.set(|settings| *settings = leased))
    }

    /// Sets how long a handled message is remembered. A time in which a delivery stays fresh (`max_age`
    /// and `max_ahead` of the verifier, and the body timeout) is remembered in any case: within it, a
    /// delivery can be replayed.
    pub fn with_retention(self, retention: Duration) -> Self {
        self.set(|settings| settings.retention = retention)
    }

    /// Sets how long a call of the back end may take; never longer than a sixth of the lease.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        self.set(|settings| settings.deadline = deadline)
    }

    /// Handles a delivery although it could not be claimed, instead of answering 503.
    ///
    /// **While the store is down, each copy of a message is handled.** For handlers that are safe to
    /// repeat, where a late message is worse than a repeated one. Each such delivery is logged and
    /// [counted](Counts::unclaimed).
    pub fn danger_handle_unclaimed(self) -> Self {
        self.set(|settings| settings.handle_unclaimed = true)
    }

    /// Has a message handled again, after a bug say: what was recorded of it is forgotten. Tells
    /// whether it was recorded as handled; a message that is being handled is left alone.
    ///
    /// # Errors
    ///
    /// The store did not answer.
    pub async fn forget(&self, key: Key) -> Result<bool, StoreError> {
        self.call(Arc::clone(&self.backend).forget(key)).await
    }

    /// Waits until no claim is held and none is being recorded: before the process ends, once the server
    /// takes no more requests.
    ///
    /// A handler whose client has gone away is waited for too. Limit it by a time of your own, as your
    /// supervisor will: what is cut off is freed when its lease ends.
    pub async fn drain(&self) {
        self.running.tracker.close();
        self.running.tracker.wait().await;
    }

    /// Returns what this store has counted since it was made.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.running.counters.read()
    }

    pub(super) fn backend(&self) -> Arc<dyn AnyBackend> {
        Arc::clone(&self.backend)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.running.counters
    }

    pub(super) fn tracker(&self) -> &TaskTracker {
        &self.running.tracker
    }

    /// Makes a call under the deadline, on the store's own thread if it may have to wait.
    pub(super) async fn call<T: Send + 'static>(&self, call: Call<T>) -> Result<T, StoreError> {
        if !self.backend.waits() {
            return call.await.map_err(StoreError::Backend);
        }
        let deadline = self.settings.deadline();
        let call = self.keeper()?.runtime().spawn(async move {
            let answer = timeout(deadline, call).await;
            answer.map_err(|_| StoreError::Slow { deadline })?.map_err(StoreError::Backend)
        });
        call.await.map_err(|error| StoreError::Backend(Box::new(error)))?
    }

    /// Returns the store's own thread, if it has been started.
    pub(super) fn running_keeper(&self) -> Option<&Keeper> {
        self.running.keeper.get()
    }

    /// Returns the store's own thread; the first call starts it.
    pub(super) fn keeper(&self) -> Result<&Keeper, StoreError> {
        if let Some(keeper) = self.running_keeper() {
            return Ok(keeper);
        }
        let counters = Arc::clone(&self.running.counters);
        let keeper = Keeper::start(self.backend(), self.settings, counters);
        // Of two that start at once, the later one ends at once.
        let keeper = keeper.map_err(StoreError::Thread)?;
        Ok(self.running.keeper.get_or_init(|| keeper))
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        Self { running: Arc::default(), ..self }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("settings", &self.settings)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
