use std::{fmt, sync::Arc, time::Duration};

/// Gets each outcome of a [`Claims`](crate::Claims), for example to count it.
///
/// [`ClaimsConfig::with_observer`](crate::ClaimsConfig::with_observer) sets it. The crate calls it
/// in the task of the claim, so it must be fast, and must not block. The calls do not allocate.
///
/// The feature `metrics` is an implementation, which records metrics with the crate `metrics`.
///
/// ```
/// use std::sync::{
///     Arc,
///     atomic::{AtomicU64, Ordering},
/// };
///
/// use agentmail_dedupe::{
///     Claims, ClaimsConfig, DedupeEvent, DedupeOutcome, MemoryStore, Observer,
/// };
///
/// #[derive(Default)]
/// struct Lost(AtomicU64);
///
/// impl Observer for Lost {
///     fn outcome(&self, event: &DedupeEvent) {
///         if event.outcome == DedupeOutcome::Lost {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let lost = Arc::new(Lost::default());
/// let config = ClaimsConfig::default().with_observer(lost.clone());
/// let claims = Claims::with_config(MemoryStore::new(), config);
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A claim was requested, or has ended. Does nothing by default.
    fn outcome(&self, event: &DedupeEvent) {
        _ = event;
    }

    /// A call of the store has ended. Does nothing by default.
    fn store_call(&self, call: &StoreCall) {
        _ = call;
    }
}

/// What has happened to a claim: for [`Observer::outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DedupeEvent {
    /// The outcome.
    pub outcome: DedupeOutcome,
}

/// The outcome of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DedupeOutcome {
    /// The message was claimed for a handler.
    Claimed,
    /// The message was recorded as handled.
    Completed,
    /// It is a copy of a handled message.
    AlreadyHandled,
    /// It is a copy of a message that was being handled.
    InFlight,
    /// The message was released, because the handler did not succeed.
    Released,
    /// The claim ended, or went to another owner, while its handler was running.
    Lost,
    /// The store failed, did not respond or was full: the message could not be claimed or recorded.
    StoreError,
}

impl DedupeOutcome {
    /// All outcomes.
    pub const ALL: [Self; 7] = [
        Self::Claimed,
        Self::Completed,
        Self::AlreadyHandled,
        Self::InFlight,
        Self::Released,
        Self::Lost,
        Self::StoreError,
    ];

    /// Returns the name, for example for the label of a metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Completed => "completed",
            Self::AlreadyHandled => "already_handled",
            Self::InFlight => "in_flight",
            Self::Released => "released",
            Self::Lost => "lost",
            Self::StoreError => "store_error",
        }
    }
}

/// A call of the store: for [`Observer::store_call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreCall {
    /// [`ClaimStore::NAME`](crate::ClaimStore::NAME).
    pub store: &'static str,
    /// Which call.
    pub op: StoreOp,
    /// How long it took, at most the [deadline](crate::ClaimsConfig::deadline).
    pub duration: Duration,
    /// Whether the store has responded. An error and a call without a response in time are `false`.
    pub succeeded: bool,
}

/// A call of a [`ClaimStore`](crate::ClaimStore).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreOp {
    /// Claims a message.
    Claim,
    /// Renews a claim.
    Renew,
    /// Records a message as handled.
    Complete,
    /// Releases a message.
    Release,
}

impl StoreOp {
    /// All calls.
    pub const ALL: [Self; 4] = [Self::Claim, Self::Renew, Self::Complete, Self::Release];

    /// Returns the name, for example for the label of a metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Renew => "renew",
            Self::Complete => "complete",
            Self::Release => "release",
        }
    }
}

/// The observers of a [`Claims`](crate::Claims): the app's, and with the feature `metrics` ours.
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

    pub(crate) fn outcome(&self, outcome: DedupeOutcome) {
        let event = DedupeEvent { outcome };
        #[cfg(feature = "metrics")]
        crate::metrics::Recorded.outcome(&event);
        if let Some(own) = &self.0 {
            own.outcome(&event);
        }
    }

    pub(crate) fn store_call(&self, call: &StoreCall) {
        #[cfg(feature = "metrics")]
        crate::metrics::Recorded.store_call(call);
        if let Some(own) = &self.0 {
            own.store_call(call);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Observer" } else { "none" })
    }
}
