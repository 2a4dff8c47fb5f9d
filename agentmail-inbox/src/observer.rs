use std::{fmt, sync::Arc, time::Duration};

use crate::store::Stored;

/// Gets each outcome of an [`Inbox`](crate::Inbox) and of its workers, for example to count it.
///
/// [`InboxConfig::with_observer`](crate::InboxConfig::with_observer) sets it. It is called in the
/// task of the request or of the attempt, so it must be fast, and must not block. The calls do not
/// allocate.
///
/// The feature `metrics` is an implementation, which records metrics with the crate `metrics`.
///
/// ```
/// use std::sync::{
///     Arc,
///     atomic::{AtomicU64, Ordering},
/// };
///
/// use agentmail_inbox::{AttemptEnded, AttemptOutcome, InboxConfig, Observer};
///
/// #[derive(Default)]
/// struct Dead(AtomicU64);
///
/// impl Observer for Dead {
///     fn attempt(&self, ended: &AttemptEnded) {
///         if ended.outcome == AttemptOutcome::Dead {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let dead = Arc::new(Dead::default());
/// let config = InboxConfig::default().with_observer(dead.clone());
/// ```
///
/// Each method does nothing by default.
pub trait Observer: Send + Sync + 'static {
    /// A message was stored, or the inbox had it already.
    fn stored(&self, stored: &MessageStored) {
        _ = stored;
    }

    /// An attempt has ended, and its outcome is recorded.
    fn attempt(&self, ended: &AttemptEnded) {
        _ = ended;
    }

    /// A call of the store has ended.
    fn store_call(&self, call: &StoreCall) {
        _ = call;
    }

    /// The inbox was sampled. It is called at the [interval] of the configuration, in a task that
    /// the first stored message or the first [`Worker::spawn`](crate::Worker::spawn) starts.
    ///
    /// [interval]: crate::InboxConfig::with_sample_interval
    fn sampled(&self, sample: &Sample) {
        _ = sample;
    }
}

/// A message that was stored: for [`Observer::stored`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageStored {
    /// Whether it is new.
    pub stored: Stored,
}

/// An attempt that has ended: for [`Observer::attempt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptEnded {
    /// How it has ended.
    pub outcome: AttemptOutcome,
    /// How long the work ran. `None` if it did not begin, because the message cannot be read or its
    /// last attempt was cut off.
    pub duration: Option<Duration>,
    /// If the work is done: the time since the message arrived. `None` if the store does not tell.
    pub latency: Option<Duration>,
}

/// How an attempt has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// The work is done.
    Done,
    /// The work returned an error, and is tried again.
    Failed,
    /// The work took longer than its time limit, and is tried again.
    Timeout,
    /// The work panicked, and is tried again.
    Panic,
    /// Another worker has the message. The outcome of this attempt is not recorded.
    LeaseLost,
    /// The message became dead, whatever the last attempt was.
    Dead,
}

impl AttemptOutcome {
    /// All outcomes.
    pub const ALL: [Self; 6] =
        [Self::Done, Self::Failed, Self::Timeout, Self::Panic, Self::LeaseLost, Self::Dead];

    /// Returns the name, for example for the label of a metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
            Self::LeaseLost => "lease_lost",
            Self::Dead => "dead",
        }
    }
}

/// A call of the store: for [`Observer::store_call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreCall {
    /// [`InboxStore::NAME`](crate::InboxStore::NAME).
    pub store: &'static str,
    /// Which call.
    pub op: StoreOp,
    /// How long it took, at most 5 seconds.
    pub duration: Duration,
    /// Whether the store has responded. An error and a call without a response in time are `false`.
    pub succeeded: bool,
}

/// A call of an [`InboxStore`](crate::InboxStore).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreOp {
    /// Stores a message.
    Store,
    /// Takes messages that are due.
    Take,
    /// Renews the lease of an attempt.
    Renew,
    /// Records how attempts have ended.
    Finish,
}

impl StoreOp {
    /// All calls.
    pub const ALL: [Self; 4] = [Self::Store, Self::Take, Self::Renew, Self::Finish];

    /// Returns the name, for example for the label of a metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Take => "take",
            Self::Renew => "renew",
            Self::Finish => "finish",
        }
    }
}

/// What the inbox contains: for [`Observer::sampled`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sample {
    /// For how long the message that has been due for the longest time has been due. Zero if no
    /// message is due.
    pub oldest_due: Duration,
    /// How many messages there are. They are counted with every fourth sample.
    pub counts: Option<SampleCounts>,
}

/// How many messages of an inbox are not done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SampleCounts {
    /// Messages that are due now, and that no worker has taken.
    pub due: u64,
    /// Messages that wait for a later time. If the store does not count those that are due, they
    /// are included.
    pub waiting: u64,
    /// Messages that a worker has taken.
    pub running: u64,
    /// Messages that are not tried again.
    pub dead: u64,
}

/// The observers of an inbox: the app's, and with the feature `metrics` ours.
#[derive(Clone, Default)]
pub(crate) struct Observers(Option<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn new(own: Arc<dyn Observer>) -> Self {
        Self(Some(own))
    }

    /// Returns whether anything observes. If not, nothing need be measured.
    pub(crate) const fn is_on(&self) -> bool {
        cfg!(feature = "metrics") || self.0.is_some()
    }

    pub(crate) fn each(&self, report: impl Fn(&dyn Observer)) {
        #[cfg(feature = "metrics")]
        report(&crate::metrics::Recorded);
        if let Some(own) = &self.0 {
            report(&**own);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Observer" } else { "none" })
    }
}
