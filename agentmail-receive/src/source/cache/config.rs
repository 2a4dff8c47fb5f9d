use std::time::Duration;

/// How long the results of a [`Lookup`](crate::Lookup) are kept, how many, and how many lookups
/// run at once.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_max_tenants`](Self::with_max_tenants) | 10,000 tenants |
/// | [`with_time_to_live`](Self::with_time_to_live) | 10 seconds |
/// | [`with_miss_time_to_live`](Self::with_miss_time_to_live) | 5 seconds |
/// | [`with_max_concurrent_lookups`](Self::with_max_concurrent_lookups) | 32 lookups |
/// | [`with_max_waiting_lookups`](Self::with_max_waiting_lookups) | 1,024 lookups |
/// | [`with_lookup_timeout`](Self::with_lookup_timeout) | 5 seconds |
/// | [`with_stale_if_error`](Self::with_stale_if_error) | 10 minutes |
/// | [`with_stale_after`](Self::with_stale_after) | 250 milliseconds |
#[derive(Debug, Clone)]
#[must_use]
pub struct CacheConfig {
    max_tenants: u64,
    time_to_live: Duration,
    miss_time_to_live: Duration,
    max_concurrent_lookups: usize,
    max_waiting_lookups: usize,
    lookup_timeout: Duration,
    stale_if_error: Duration,
    stale_after: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            max_tenants: 10_000,
            time_to_live: Duration::from_secs(10),
            miss_time_to_live: Duration::from_secs(5),
            max_concurrent_lookups: 32,
            max_waiting_lookups: 1_024,
            lookup_timeout: Duration::from_secs(5),
            stale_if_error: Duration::from_secs(600),
            stale_after: Duration::from_millis(250),
        }
    }
}

/// The longest time to live. The cache cannot hold an entry for longer than 1,000 years.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

impl CacheConfig {
    /// Sets how many tenants are kept, and how many names that are not tenants.
    pub fn with_max_tenants(self, tenants: u64) -> Self {
        Self { max_tenants: tenants, ..self }
    }

    /// Sets how long a tenant that was found is kept, at most a year.
    ///
    /// A new secret is accepted when the old result has expired. Until then, a delivery that is
    /// signed with it is a `mismatch`. [`CachedLookup::forget`](crate::CachedLookup::forget)
    /// deletes the old result at once.
    pub fn with_time_to_live(self, time: Duration) -> Self {
        Self { time_to_live: time.min(YEAR), ..self }
    }

    /// Sets how long a tenant that was not found is not looked up again, at most a year.
    ///
    /// A new tenant waits no longer than this.
    pub fn with_miss_time_to_live(self, time: Duration) -> Self {
        Self { miss_time_to_live: time.min(YEAR), ..self }
    }

    /// Sets how many lookups of names that are not known run at once, at least 1.
    ///
    /// Known tenants have half as many of their own, at least 1. With the default of 32, at most 48
    /// lookups run at once.
    ///
    /// The known tenants are the last [`max_tenants`](Self::max_tenants) tenants that were found.
    /// Unauthenticated clients choose all other names. A known tenant never waits for a lookup that
    /// such a client has caused.
    ///
    /// Nothing distinguishes a tenant that this process has not found yet from a name that a client
    /// has made up. Such a tenant is served while new names arrive at a lower rate than `lookups`
    /// divided by the time that one lookup takes. With 32 lookups of 5 ms each, that is 32 /
    /// 0.005 s = 6,400 new names per second. Above that rate, some deliveries to such tenants get
    /// 503 (`lookup_busy` or `lookup_timeout`).
    pub fn with_max_concurrent_lookups(self, lookups: usize) -> Self {
        Self { max_concurrent_lookups: lookups.max(1), ..self }
    }

    /// Sets how many lookups of names that are not known may wait for their turn. The same number
    /// of lookups of known tenants may wait in a queue of their own.
    ///
    /// A lookup that finds its queue full is refused: 503 (`lookup_busy`).
    pub fn with_max_waiting_lookups(self, lookups: usize) -> Self {
        Self { max_waiting_lookups: lookups, ..self }
    }

    /// Sets how long one lookup may take, the wait for its turn included, whether or not a delivery
    /// still waits for it.
    ///
    /// A delivery itself waits no longer than
    /// [`WebhookConfig::lookup_timeout`](crate::WebhookConfig::with_lookup_timeout).
    pub fn with_lookup_timeout(self, timeout: Duration) -> Self {
        Self { lookup_timeout: timeout, ..self }
    }

    /// Sets how long the last known result of a tenant may be used while its lookup fails, at most
    /// a year. Zero turns it off.
    ///
    /// A lookup fails if it returns an error, panics, takes too long, or is refused because too
    /// many others wait. The time begins when [`time_to_live`](Self::time_to_live) has passed.
    /// Within it, the secrets of a tenant that was removed in the meantime are accepted until a
    /// lookup succeeds again. A lookup that finds no such tenant deletes the last result at once.
    ///
    /// While the source of the secrets fails or is slow, known tenants are not kept waiting: the
    /// last known result is used at once, and one lookup per second tries the source in the
    /// background. The log says when this begins and when it ends, and
    /// [`LookupStats::stale`](crate::LookupStats::stale) counts these deliveries.
    pub fn with_stale_if_error(self, time: Duration) -> Self {
        Self { stale_if_error: time.min(YEAR), ..self }
    }

    /// Sets how long a delivery waits for a lookup if there is a last known result that it may use.
    ///
    /// It must be shorter than
    /// [`WebhookConfig::lookup_timeout`](crate::WebhookConfig::with_lookup_timeout), and longer
    /// than a lookup usually takes.
    pub fn with_stale_after(self, time: Duration) -> Self {
        Self { stale_after: time, ..self }
    }

    /// Returns how many tenants are kept, and how many names that are not tenants.
    #[must_use]
    pub const fn max_tenants(&self) -> u64 {
        self.max_tenants
    }

    /// Returns how long a tenant that was found is kept.
    #[must_use]
    pub const fn time_to_live(&self) -> Duration {
        self.time_to_live
    }

    /// Returns how long a tenant that was not found is not looked up again.
    #[must_use]
    pub const fn miss_time_to_live(&self) -> Duration {
        self.miss_time_to_live
    }

    /// Returns how many lookups of names that are not known run at once.
    #[must_use]
    pub const fn max_concurrent_lookups(&self) -> usize {
        self.max_concurrent_lookups
    }

    /// Returns how many lookups may wait for their turn.
    #[must_use]
    pub const fn max_waiting_lookups(&self) -> usize {
        self.max_waiting_lookups
    }

    /// Returns how long one lookup may take.
    #[must_use]
    pub const fn lookup_timeout(&self) -> Duration {
        self.lookup_timeout
    }

    /// Returns how long the last known result may be used while the lookup fails.
    #[must_use]
    pub const fn stale_if_error(&self) -> Duration {
        self.stale_if_error
    }

    /// Returns how long a delivery waits if there is a last known result.
    #[must_use]
    pub const fn stale_after(&self) -> Duration {
        self.stale_after
    }
}
