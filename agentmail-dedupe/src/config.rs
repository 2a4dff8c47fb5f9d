use std::{error::Error, fmt, sync::Arc, time::Duration};

use crate::observer::{Observer, Observers};

/// Settings for [`Claims`](crate::Claims): how long claims and records last, and what happens when
/// the store is down.
///
/// ```
/// use std::time::Duration;
///
/// # use agentmail_dedupe::{Claims, ClaimsConfig, MemoryStore};
///
/// let config = ClaimsConfig::default()
///     .with_lease(Duration::from_secs(30))?
///     .with_retention(Duration::from_secs(7 * 24 * 3_600));
/// let claims = Claims::with_config(MemoryStore::new(), config);
/// # Ok::<(), agentmail_dedupe::LeaseError>(())
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
/// | [`with_observer`](Self::with_observer) | none |
#[derive(Debug, Clone)]
#[must_use]
pub struct ClaimsConfig {
    lease: Duration,
    retention: Duration,
    deadline: Duration,
    handles_unclaimed: bool,
    observers: Observers,
}

impl ClaimsConfig {
    /// Sets how long a claim lasts if it is not renewed. After this time, the messages of a crashed
    /// process can be claimed again.
    ///
    /// While a handler runs, its claim is renewed after each third of the lease.
    ///
    /// # Errors
    ///
    /// The lease is shorter than a second, or longer than 24 hours.
    pub fn with_lease(self, lease: Duration) -> Result<Self, LeaseError> {
        let fits = (LeaseError::SHORTEST..=LeaseError::LONGEST).contains(&lease);
        if fits { Ok(Self { lease, ..self }) } else { Err(LeaseError { _private: () }) }
    }

    /// Sets how long a handled message is remembered, at most 100 years.
    ///
    /// If a copy of the message can arrive after that time, the message is remembered for longer:
    /// see [`Claims::claim`](crate::Claims::claim).
    pub fn with_retention(self, retention: Duration) -> Self {
        Self { retention, ..self }
    }

    /// Sets how long a call of the store may take. If this is longer than a sixth of the lease, the
    /// call may take a sixth of the lease.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Handles a message that could not be claimed, instead of refusing it.
    ///
    /// **While the store is down, each copy of a message is handled.** Use this only if the handler
    /// is safe to repeat, and if a message that is handled late is worse than one that is handled
    /// twice. Each such message is logged and [counted](crate::DedupeStats::unclaimed).
    pub fn danger_handle_unclaimed(self) -> Self {
        Self { handles_unclaimed: true, ..self }
    }

    /// Sets an [`Observer`], which gets each outcome.
    pub fn with_observer(self, observer: Arc<dyn Observer>) -> Self {
        Self { observers: Observers::new(observer), ..self }
    }

    /// Returns how long a claim lasts if it is not renewed.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        self.lease
    }

    /// Returns how long a handled message is remembered at least.
    #[must_use]
    pub const fn retention(&self) -> Duration {
        self.retention
    }

    /// Returns how long a call of the store may take: what was set, or a sixth of the lease if that
    /// is shorter.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline.min(self.lease / 6)
    }

    /// Returns whether a message that could not be claimed is handled.
    #[must_use]
    pub const fn handles_unclaimed(&self) -> bool {
        self.handles_unclaimed
    }

    pub(crate) const fn observers(&self) -> &Observers {
        &self.observers
    }

    /// Returns how long to remember a message of which a copy can arrive for `fresh_for`.
    pub(crate) fn retention_for(&self, fresh_for: Duration) -> Duration {
        // A minute more, because the clocks of two machines differ.
        let with_margin = fresh_for.saturating_add(Duration::from_secs(60));
        self.retention.max(with_margin).min(CENTURY)
    }
}

impl Default for ClaimsConfig {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            retention: Duration::from_secs(3 * 24 * 3_600),
            deadline: Duration::from_secs(2),
            handles_unclaimed: false,
            observers: Observers::default(),
        }
    }
}

/// The error returned for a lease outside 1 second to 24 hours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LeaseError {
    _private: (),
}

impl LeaseError {
    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(24 * 3_600);
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lease of a claim must be between 1 second and 24 hours")
    }
}

/// Shows the sentence of `Display`, for a `main` that returns this error.
impl fmt::Debug for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for LeaseError {}

/// The longest retention: the clock of each store can represent its end.
pub(crate) const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_never_takes_longer_than_a_sixth_of_the_lease() {
        for (lease, deadline, effective) in [(60, 2, 2_000), (60, 30, 10_000), (3, 2, 500)] {
            let config = ClaimsConfig::default()
                .with_deadline(Duration::from_secs(deadline))
                .with_lease(Duration::from_secs(lease))
                .unwrap();

            assert_eq!(config.deadline(), Duration::from_millis(effective));
        }
    }

    #[test]
    fn refuses_a_lease_that_could_not_be_renewed_in_time() {
        for (lease, fits) in
            [(0, false), (999, false), (1_000, true), (86_400_000, true), (86_400_001, false)]
        {
            let config = ClaimsConfig::default().with_lease(Duration::from_millis(lease));
            assert_eq!(config.is_ok(), fits, "{lease} ms");
        }
        let error = ClaimsConfig::default().with_lease(Duration::MAX).unwrap_err();
        assert_eq!(error.to_string(), "the lease of a claim must be between 1 second and 24 hours");
        assert_eq!(format!("{error:?}"), error.to_string());
    }

    #[test]
    fn remembers_for_the_retention_and_for_as_long_as_a_copy_can_arrive() {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        let minute = Duration::from_secs(60);
        for (retention, fresh_for, expected) in [
            (hours(72), hours(1), hours(72)),
            (hours(1), hours(72), hours(72) + minute),
            (Duration::ZERO, Duration::ZERO, minute),
            (Duration::MAX, Duration::ZERO, CENTURY),
            (Duration::ZERO, Duration::MAX, CENTURY),
        ] {
            let config = ClaimsConfig::default().with_retention(retention);
            assert_eq!(config.retention_for(fresh_for), expected);
        }
    }
}
