use std::{fmt, sync::Arc, time::Duration};

use agentmail_verify::{Receipt, UnixTime};

use crate::refusal::Refusal;

/// Gets each outcome of the deliveries, for example to count it.
///
/// [`WebhookConfig::with_observer`](crate::WebhookConfig::with_observer) sets it. It is called in
/// the task of the request, so it must be fast, and must not block. The calls do not allocate.
///
/// The feature `metrics` is an implementation, which records metrics with the crate `metrics`. Each
/// adapter calls an observer in the same way.
///
/// ```
/// use std::sync::{
///     Arc,
///     atomic::{AtomicU64, Ordering},
/// };
///
/// use agentmail_receive::{Observer, Refused, WebhookConfig};
/// # use agentmail_verify::{Secret, Verifier};
///
/// #[derive(Default)]
/// struct Mismatches(AtomicU64);
///
/// impl Observer for Mismatches {
///     fn refused(&self, refused: &Refused) {
///         if refused.refusal.code() == "mismatch" {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let verifier = Verifier::new(Secret::new("whsec_test_secret")?);
/// let mismatches = Arc::new(Mismatches::default());
/// let config = WebhookConfig::new(verifier).with_observer(mismatches.clone());
/// # Ok::<(), agentmail_verify::SecretError>(())
/// ```
///
/// Each method does nothing by default.
pub trait Observer: Send + Sync + 'static {
    /// A delivery is genuine: it has passed every check of the layer.
    ///
    /// What happens to it afterwards is a call of its own, for example of
    /// [`refused`](Self::refused) if its message was already handled.
    fn accepted(&self, accepted: &Accepted) {
        _ = accepted;
    }

    /// A request was refused. It is called where the refusal is [logged](crate::Rejection::log).
    fn refused(&self, refused: &Refused) {
        _ = refused;
    }

    /// A [`Lookup`](crate::Lookup) for a delivery has ended.
    fn looked_up(&self, looked_up: &LookedUp) {
        _ = looked_up;
    }

    /// A payload was read as an `Event` or as a `MailReceived`.
    ///
    /// It is called once for each [`Delivery`](crate::Delivery), and not for your own types.
    fn event(&self, event: &EventRead) {
        _ = event;
    }
}

/// A delivery that is genuine: for [`Observer::accepted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// When the delivery was signed, and which secret matched.
    pub receipt: Receipt,
    /// The time that its timestamp was compared with.
    pub received_at: UnixTime,
    /// The length of the body, in bytes.
    pub body_bytes: usize,
    /// How long it took to verify the signature and to check the agent, without waiting.
    pub verify_time: Duration,
    /// Whether the secret comes from a [`Lookup`](crate::Lookup). Its label may name a tenant then.
    pub looked_up: bool,
}

impl Accepted {
    /// Returns how long ago the delivery was signed, or zero if its timestamp is ahead.
    #[must_use]
    pub fn age(&self) -> Duration {
        between(self.receipt.signed_at(), self.received_at)
    }

    /// Returns how far the timestamp of the delivery is ahead, or zero if it is not.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        between(self.received_at, self.receipt.signed_at())
    }
}

fn between(from: UnixTime, to: UnixTime) -> Duration {
    Duration::from_secs(to.as_secs().saturating_sub(from.as_secs()))
}

/// A request that was refused: for [`Observer::refused`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Why. Its [`code`](Refusal::code) is one of [`Refusal::CODES`].
    pub refusal: Refusal,
}

/// A lookup that has ended: for [`Observer::looked_up`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LookedUp {
    /// How it has ended.
    pub outcome: LookupOutcome,
}

/// How a lookup for a delivery has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LookupOutcome {
    /// It found the tenant, or a cache had it.
    Found,
    /// It failed or was slow, and the last known result of the tenant was used.
    Stale,
    /// There is no such tenant.
    Unknown,
    /// It failed.
    Failed,
    /// It took too long.
    Timeout,
    /// Too many lookups were waiting.
    Busy,
}

impl LookupOutcome {
    /// All outcomes.
    pub const ALL: [Self; 6] =
        [Self::Found, Self::Stale, Self::Unknown, Self::Failed, Self::Timeout, Self::Busy];

    /// Returns the name, for example for the label of a metric.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Stale => "stale",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::Busy => "busy",
        }
    }
}

/// An event that was read from a payload: for [`Observer::event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventRead {
    /// The type, if this version of the crate has a type for it: `mail.received`. Otherwise
    /// `other`. The text of the payload is not passed on, because it has no bound.
    pub kind: &'static str,
}

impl EventRead {
    /// Every [`kind`](Self::kind).
    pub const KINDS: [&str; 2] = [agentmail_verify::MailReceived::KIND, "other"];
}

/// The observers of a configuration: the app's, and with the feature `metrics` ours.
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

    pub(crate) fn accepted(&self, accepted: &Accepted) {
        self.each(|observer| observer.accepted(accepted));
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.each(|observer| observer.refused(&Refused { refusal }));
    }

    pub(crate) fn looked_up(&self, outcome: LookupOutcome) {
        self.each(|observer| observer.looked_up(&LookedUp { outcome }));
    }

    pub(crate) fn event(&self, kind: &'static str) {
        self.each(|observer| observer.event(&EventRead { kind }));
    }

    fn each(&self, report: impl Fn(&dyn Observer)) {
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
