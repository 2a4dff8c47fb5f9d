use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    backoff::Backoff,
    error::InboxError,
    inbox::Inbox,
    limits::LONGEST_LEASE,
    message::Message,
    store::BoxError,
    worker::{
        supervisor::Supervisor,
        workers::{Tried, Workers},
    },
};

/// Works on the messages of an [`Inbox`]: created by [`Inbox::worker`].
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_concurrency`](Self::with_concurrency) | 16 messages at once |
/// | [`with_attempts`](Self::with_attempts) | 12 |
/// | [`with_time_limit`](Self::with_time_limit) | 60 seconds for an attempt |
/// | [`with_backoff`](Self::with_backoff) | 1 second, doubled up to 1 hour: see [`Backoff`] |
/// | [`with_lease`](Self::with_lease) | 60 seconds |
/// | [`with_poll_interval`](Self::with_poll_interval) | 500 milliseconds |
/// | [`with_retention`](Self::with_retention) | 61 days |
/// | [`in_order_per_agent`](Self::in_order_per_agent) | off |
#[must_use = "a worker does nothing until `spawn` or `run_once` is called"]
pub struct Worker {
    pub(crate) inbox: Inbox,
    pub(crate) work: Work,
    pub(crate) settings: Settings,
}

/// The work, whose types are erased.
pub(crate) type Work = Arc<dyn Fn(Message) -> WorkFuture + Send + Sync>;
pub(crate) type WorkFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) concurrency: usize,
    pub(crate) attempts: u32,
    pub(crate) time_limit: Duration,
    pub(crate) backoff: Backoff,
    pub(crate) lease: Duration,
    pub(crate) poll_interval: Duration,
    pub(crate) retention: Duration,
    pub(crate) ordered: bool,
}

impl Worker {
    pub(crate) fn new<W, F, E>(inbox: Inbox, work: W) -> Self
    where
        W: Fn(Message) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let work = Arc::new(work);
        let work: Work = Arc::new(move |message| {
            let work = Arc::clone(&work);
            // Within the future, so that a panic of `work` itself is one of the attempt.
            Box::pin(async move { work(message).await.map_err(Into::into) })
        });
        Self { inbox, work, settings: Settings::default() }
    }

    /// Sets how many messages are worked on at once, at least 1.
    pub fn with_concurrency(mut self, messages: usize) -> Self {
        // A semaphore has a limit, which is far above what is useful here.
        self.settings.concurrency = messages.clamp(1, 65_536);
        self
    }

    /// Sets how often a message is tried before it is dead, at least once.
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        self.settings.attempts = attempts.max(1);
        self
    }

    /// Sets how long an attempt may take. After that, it is dropped, and counts as failed.
    ///
    /// Work can only be dropped where it awaits. Run blocking code in `spawn_blocking`, with a
    /// limit of its own.
    pub fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.settings.time_limit = time_limit;
        self
    }

    /// Sets the pauses between attempts.
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff = backoff;
        self
    }

    /// Sets how long the messages of a process are left alone after the process has ended or
    /// stalled: between 1 second and [`LONGEST_LEASE`](crate::LONGEST_LEASE).
    ///
    /// While an attempt runs, its lease is renewed after each third of this time.
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.clamp(Duration::from_secs(1), LONGEST_LEASE);
        self
    }

    /// Sets how often a worker that has nothing to do looks for messages that are due, at least
    /// 10 milliseconds. A message that this process stores is found at once.
    pub fn with_poll_interval(mut self, poll_interval: Duration) -> Self {
        self.settings.poll_interval = poll_interval.max(Duration::from_millis(10));
        self
    }

    /// Sets how long a message that is done is remembered, so that a copy of it is not handled
    /// again. A message is always remembered for as long as a copy of it can be fresh.
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.settings.retention = retention;
        self
    }

    /// Works on the messages of each agent one after the other, in the order of arrival. A message
    /// that fails holds up the later messages of its agent until it is done or dead.
    pub fn in_order_per_agent(mut self) -> Self {
        self.settings.ordered = true;
        self
    }

    /// Starts to work, in tasks of the current tokio runtime.
    ///
    /// # Panics
    ///
    /// There is no current tokio runtime.
    #[must_use = "drain the workers before the process ends"]
    pub fn spawn(self) -> Workers {
        self.inbox.start_sampling();
        let (stop, stopping) = watch::channel(false);
        let supervisor = Supervisor::new(self, stopping);
        let record = supervisor.record();
        Workers::new(stop, tokio::spawn(supervisor.run()), record)
    }

    /// Works on all messages that are due, until none is due. For tests.
    ///
    /// A message that fails is tried again only if its pause is over before the others are done.
    ///
    /// # Errors
    ///
    /// Messages could not be taken.
    pub async fn run_once(self) -> Result<Tried, InboxError> {
        let (_stop, stopping) = watch::channel(false);
        Supervisor::new(self, stopping).run_until_idle().await
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 16,
            attempts: 12,
            time_limit: Duration::from_secs(60),
            backoff: Backoff::default(),
            lease: Duration::from_secs(60),
            poll_interval: Duration::from_millis(500),
            retention: RETENTION,
            ordered: false,
        }
    }
}

/// With both tolerances at their limit of 30 days, a delivery can be replayed for 60 days.
const RETENTION: Duration = Duration::from_secs(61 * 24 * 3_600);
