use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    runtime::Builder,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::{
    config::ClaimsConfig,
    deadline,
    error::StoreError,
    key::ClaimKey,
    observer::{StoreCall, StoreOp},
    owner::Owner,
    panic,
    store::{AnyStore, Call, LeaseState},
    telemetry::{Instrument, Span, Telemetry},
};

/// The background thread. It calls the store, and renews claims. It ends a claim if the call of the
/// handler's task has failed, or if the claim was dropped.
///
/// It is not a thread of the runtime, because a handler may block the threads of the runtime. It
/// stops after the last [`Claims`](crate::Claims) and [`Claim`](crate::Claim) are dropped, when
/// nothing is left to do.
pub(crate) struct Background {
    requests: mpsc::UnboundedSender<Request>,
    context: Arc<Context>,
}

/// What the thread has to do. It begins in this order: a claim, and then its release.
enum Request {
    Begin(Begin),
    End(EndRequest),
}

/// Begins a call of the store, whose result is sent later. Only the thread creates the call: memory
/// that one thread allocates and another one frees makes allocators slow.
type Begin = Box<dyn FnOnce(&Arc<Context>) + Send>;

/// A claim that the background has to end.
pub(crate) struct EndRequest {
    pub(crate) key: ClaimKey,
    pub(crate) owner: Owner,
    /// When its lease ends. Trying for longer is of no use.
    pub(crate) lease_end: Instant,
    pub(crate) end: End,
    /// The span of the caller, for the log.
    pub(crate) span: Span,
}

/// How a claim ends. A token keeps [`Claims::drain`](crate::Claims::drain) waiting.
pub(crate) enum End {
    /// The handler has succeeded: the message is recorded as handled.
    Complete {
        retention: Duration,
        /// The loss of the claim is counted already.
        loss_counted: bool,
        /// A failed attempt is counted already.
        failure_counted: bool,
        token: TaskTrackerToken,
    },
    /// The handler has not succeeded: the message is released.
    Release { token: TaskTrackerToken },
    /// The outcome of the claim is not known: the message is released in case it was granted.
    ReleaseUnconfirmed,
}

impl Background {
    pub(crate) fn start(
        store: Arc<dyn AnyStore>,
        config: ClaimsConfig,
        telemetry: Arc<Telemetry>,
    ) -> io::Result<Self> {
        let (requests, queue) = mpsc::unbounded_channel();
        let context = Arc::new(Context { store, config, telemetry, leases: Leases::default() });
        let of_thread = Arc::clone(&context);
        let (started, start) = std::sync::mpsc::sync_channel(1);
        // Built and dropped on the thread itself: a runtime must not be dropped inside another one.
        let run = move || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                _ = started.send(Ok(()));
                runtime.block_on(of_thread.run(queue));
            }
            Err(error) => _ = started.send(Err(error)),
        };
        thread::Builder::new().name("agentmail-dedupe".into()).spawn(run)?;
        start.recv().map_err(io::Error::other)??;
        Ok(Self { requests, context })
    }

    pub(crate) fn may_wait(&self) -> bool {
        self.context.store.may_wait()
    }

    pub(crate) fn config(&self) -> &ClaimsConfig {
        &self.context.config
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.context.telemetry
    }

    /// Makes a call, and reports it to the observers.
    pub(crate) async fn observed<T: Send + 'static>(
        &self,
        op: StoreOp,
        call: impl FnOnce(Arc<dyn AnyStore>) -> Call<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.context.observed(op, || self.call(call)).await
    }

    /// Makes a call. If it may have to wait, it runs on the thread, under the deadline.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(Arc<dyn AnyStore>) -> Call<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        if !self.may_wait() {
            return call(Arc::clone(&self.context.store)).await.map_err(StoreError::Failed);
        }
        let (sender, result) = oneshot::channel();
        let begin = move |context: &Arc<Context>| {
            let context = Arc::clone(context);
            let call = call(Arc::clone(&context.store));
            tokio::spawn(async move { _ = sender.send(context.call(call).await) });
        };
        // A queue wakes the thread once for all calls that wait. `Handle::spawn` would wake it for
        // each call.
        _ = self.requests.send(Request::Begin(Box::new(begin)));
        result.await.unwrap_or_else(|_| Err(StoreError::Failed("the thread has panicked".into())))
    }

    /// Renews a claim from now on. Its lease began at `renewed_at` or later.
    pub(crate) fn start_renewing(&self, key: ClaimKey, owner: Owner, renewed_at: Instant) {
        self.context.leases.lock().insert(owner, Lease { key, renewed_at });
    }

    /// Stops renewing a claim. Returns when it was last renewed, or `None` if a renewal has found
    /// that the claim is lost, and has counted it.
    pub(crate) fn stop_renewing(&self, owner: Owner) -> Option<Instant> {
        self.context.leases.lock().remove(&owner).map(|lease| lease.renewed_at)
    }

    /// Ends a claim in the background. Does not wait.
    pub(crate) fn end(&self, request: EndRequest) {
        // The queue closes only if the thread has panicked. Then the lease ends by itself.
        _ = self.requests.send(Request::End(request));
    }
}

/// The claims that are being renewed.
#[derive(Default)]
struct Leases(Mutex<HashMap<Owner, Lease>>);

#[derive(Clone, Copy)]
struct Lease {
    key: ClaimKey,
    renewed_at: Instant,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<Owner, Lease>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread works with.
struct Context {
    store: Arc<dyn AnyStore>,
    config: ClaimsConfig,
    telemetry: Arc<Telemetry>,
    leases: Leases,
}

/// How many unconfirmed claims are released at once. The leases of further ones end by themselves.
const MAX_UNCONFIRMED: usize = 4_096;

impl Context {
    async fn run(self: Arc<Self>, mut queue: mpsc::UnboundedReceiver<Request>) {
        let tasks = TaskTracker::new();
        let unconfirmed = Arc::new(Semaphore::new(MAX_UNCONFIRMED));
        let mut tick = interval(self.config.lease() / 6);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                request = queue.recv() => match request {
                    Some(Request::Begin(begin)) => begin(&self),
                    Some(Request::End(request)) => self.end(request, &unconfirmed, &tasks),
                    None => break,
                },
                _ = tick.tick() => self.renew(&tasks),
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    fn end(
        self: &Arc<Self>,
        request: EndRequest,
        unconfirmed: &Arc<Semaphore>,
        tasks: &TaskTracker,
    ) {
        let context = Arc::clone(self);
        let EndRequest { key, owner, lease_end, end, span } = request;
        match end {
            End::Complete { retention, loss_counted, failure_counted, token } => {
                let complete = async move {
                    let complete = || Arc::clone(&context.store).complete(key, owner, retention);
                    let outcome = context.retry(StoreOp::Complete, lease_end, complete, |error| {
                        if !failure_counted {
                            context.telemetry.completion_deferred(key, error);
                        }
                    });
                    match outcome.await {
                        Some(LeaseState::Held) => context.telemetry.completed(),
                        Some(LeaseState::Lost) if loss_counted => {}
                        Some(LeaseState::Lost) => context.telemetry.lost_at_completion(key),
                        None => context.telemetry.completion_abandoned(key),
                    }
                    drop(token);
                };
                tasks.spawn(complete.instrument(span));
            }
            End::Release { token } => {
                let release = async move {
                    if context.release(key, owner, lease_end).await {
                        context.telemetry.released();
                    }
                    drop(token);
                };
                tasks.spawn(release.instrument(span));
            }
            End::ReleaseUnconfirmed => {
                if let Ok(permit) = Arc::clone(unconfirmed).try_acquire_owned() {
                    tasks.spawn(context.release_unconfirmed(key, owner, lease_end, permit));
                }
            }
        }
    }

    /// Renews the claims that have used up a third of their lease.
    fn renew(self: &Arc<Self>, tasks: &TaskTracker) {
        let due: Vec<(Owner, ClaimKey)> = self
            .leases
            .lock()
            .iter()
            .filter(|(_, lease)| lease.renewed_at.elapsed() >= self.config.lease() / 3)
            .map(|(owner, lease)| (*owner, lease.key))
            .collect();
        for (owner, key) in due {
            let context = Arc::clone(self);
            tasks.spawn(async move { context.renew_one(owner, key).await });
        }
    }

    async fn renew_one(&self, owner: Owner, key: ClaimKey) {
        let renewed_at = Instant::now();
        let renew = Arc::clone(&self.store).renew(key, owner, self.config.lease());
        match self.observed(StoreOp::Renew, || self.call(renew)).await {
            Ok(LeaseState::Held) => {
                if let Some(lease) = self.leases.lock().get_mut(&owner) {
                    lease.renewed_at = renewed_at;
                }
            }
            Ok(LeaseState::Lost) => {
                // If the claim is no longer renewed, its handler has ended and released it.
                if self.leases.lock().remove(&owner).is_some() {
                    self.telemetry.lost_while_running(key);
                }
            }
            Err(error) => self.telemetry.renewal_failed(key, &error),
        }
    }

    /// Releases a claim, and returns whether the store has responded. If not, the lease ends by
    /// itself.
    async fn release(&self, key: ClaimKey, owner: Owner, lease_end: Instant) -> bool {
        let release = || Arc::clone(&self.store).release(key, owner);
        self.retry(StoreOp::Release, lease_end, release, |_| {}).await.is_some()
    }

    async fn release_unconfirmed(
        self: Arc<Self>,
        key: ClaimKey,
        owner: Owner,
        lease_end: Instant,
        _permit: OwnedSemaphorePermit,
    ) {
        _ = self.release(key, owner, lease_end).await;
    }

    /// Repeats a call until it succeeds or the lease ends. Reports the first failure.
    async fn retry<T>(
        &self,
        op: StoreOp,
        lease_end: Instant,
        call: impl Fn() -> Call<T>,
        failed: impl FnOnce(&StoreError),
    ) -> Option<T> {
        let mut first_failure = Some(failed);
        let mut pause = Duration::from_millis(50);
        loop {
            match self.observed(op, || self.call(call())).await {
                Ok(outcome) => return Some(outcome),
                Err(error) => {
                    if let Some(failed) = first_failure.take() {
                        failed(&error);
                    }
                }
            }
            if Instant::now() + pause >= lease_end {
                return None;
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// Makes a call, and reports it to the observers when it has ended.
    async fn observed<T, F>(&self, op: StoreOp, call: impl FnOnce() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let observers = self.telemetry.observers();
        let started = observers.is_on().then(Instant::now);
        let result = call().await;
        if let Some(started) = started {
            let (store, duration) = (self.store.name(), started.elapsed());
            observers.store_call(&StoreCall { store, op, duration, succeeded: result.is_ok() });
        }
        result
    }

    /// Makes a call under the deadline. A store that panics has failed.
    async fn call<T>(&self, call: Call<T>) -> Result<T, StoreError> {
        let deadline = self.config.deadline();
        match deadline::within(deadline, panic::caught(call)).await {
            Ok(result) => result.map_err(StoreError::Failed),
            Err(_) => Err(StoreError::Timeout { deadline }),
        }
    }
}
