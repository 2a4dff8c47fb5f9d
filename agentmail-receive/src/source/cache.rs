use std::{
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use moka::{future::Cache, policy::EvictionPolicy};
use tokio::time::{Instant, timeout};

use super::{
    lookup::{FindFn, Lookup, LookupFuture},
    tenant::Tenant,
};
use crate::{refusal::Refusal, telemetry};

/// How long the results of a [`Lookup`] are kept, and how many.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_max_tenants`](Self::with_max_tenants) | 10,000 tenants |
/// | [`with_time_to_live`](Self::with_time_to_live) | 10 seconds |
/// | [`with_miss_time_to_live`](Self::with_miss_time_to_live) | 5 seconds |
/// | [`with_miss_budget`](Self::with_miss_budget) | 1,000 lookups |
/// | [`with_lookup_timeout`](Self::with_lookup_timeout) | 5 seconds |
#[derive(Debug, Clone)]
#[must_use]
pub struct CacheConfig {
    max_tenants: u64,
    time_to_live: Duration,
    miss_time_to_live: Duration,
    miss_budget: u32,
    lookup_timeout: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            max_tenants: 10_000,
            time_to_live: Duration::from_secs(10),
            miss_time_to_live: Duration::from_secs(5),
            miss_budget: 1_000,
            lookup_timeout: Duration::from_secs(5),
        }
    }
}

/// The longest time to live. The cache cannot hold an entry for longer than 1,000 years.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

impl CacheConfig {
    /// Sets how many tenants are kept.
    pub fn with_max_tenants(self, tenants: u64) -> Self {
        Self { max_tenants: tenants, ..self }
    }

    /// Sets how long a tenant that was found is kept, at most a year.
    ///
    /// A new secret is accepted when the old result has expired. Until then, a delivery that is
    /// signed with it is a `mismatch`.
    pub fn with_time_to_live(self, time: Duration) -> Self {
        Self { time_to_live: time.min(YEAR), ..self }
    }

    /// Sets how long a tenant that was not found is not looked up again, at most a year.
    ///
    /// A new tenant waits no longer than this.
    pub fn with_miss_time_to_live(self, time: Duration) -> Self {
        Self { miss_time_to_live: time.min(YEAR), ..self }
    }

    /// Sets how many lookups of tenants that have never been found may run within
    /// [`miss_time_to_live`](Self::with_miss_time_to_live).
    ///
    /// Once the budget is spent, a tenant that is not in the list of recently found ones gets 503
    /// (`lookup_busy`) until that time has passed. Recently found tenants are not affected. The
    /// list has [`max_tenants`](Self::with_max_tenants) entries.
    pub fn with_miss_budget(self, lookups: u32) -> Self {
        Self { miss_budget: lookups, ..self }
    }

    /// Sets how long one lookup may take, whether or not a delivery still waits for it.
    ///
    /// A delivery itself waits no longer than
    /// [`WebhookConfig::lookup_timeout`](crate::WebhookConfig::with_lookup_timeout).
    pub fn with_lookup_timeout(self, timeout: Duration) -> Self {
        Self { lookup_timeout: timeout, ..self }
    }

    /// Returns how many tenants are kept.
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

    /// Returns how many lookups of unknown tenants may run within that time.
    #[must_use]
    pub const fn miss_budget(&self) -> u32 {
        self.miss_budget
    }

    /// Returns how long one lookup may take.
    #[must_use]
    pub const fn lookup_timeout(&self) -> Duration {
        self.lookup_timeout
    }
}

impl<K> Lookup<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Keeps results for a while, of tenants that were found and of those that were not. Errors are
    /// not kept.
    ///
    /// While a tenant is being looked up, other deliveries wait for the same result. The lookup
    /// goes on when the first client disconnects. The cache is in this process, and all clones
    /// share it. Unauthenticated clients choose the keys that are not found: limit their length, as
    /// [`path_segment`](super::path_segment) does.
    pub fn cached(self, config: CacheConfig) -> Self {
        let Self { key, find } = self;
        let results = Arc::new(Results::new(find, &config));
        let find = move |key| -> LookupFuture {
            let results = Arc::clone(&results);
            Box::pin(results.get(key))
        };
        Self { key, find: Arc::new(find) }
    }
}

struct Results<K> {
    find: Arc<FindFn<K>>,
    found: Cache<K, Tenant>,
    /// Recently found tenants are looked up again whatever unauthenticated clients do.
    recently_found: Cache<K, ()>,
    missed: Cache<K, ()>,
    budget: Budget,
    lookup_timeout: Duration,
}

impl<K> Results<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    fn new(find: Arc<FindFn<K>>, config: &CacheConfig) -> Self {
        Self {
            find,
            found: Cache::builder()
                .max_capacity(config.max_tenants)
                .time_to_live(config.time_to_live)
                .build(),
            recently_found: recent(config.max_tenants).build(),
            // Twice the budget: two windows may lie in one time to live, and none is dropped early.
            missed: recent(u64::from(config.miss_budget).saturating_mul(2))
                .time_to_live(config.miss_time_to_live)
                .build(),
            budget: Budget::new(config.miss_budget, config.miss_time_to_live),
            lookup_timeout: config.lookup_timeout,
        }
    }

    async fn get(self: Arc<Self>, key: K) -> Result<Tenant, Refusal> {
        if let Some(tenant) = self.found.get(&key).await {
            return Ok(tenant);
        }
        if self.missed.contains_key(&key) {
            return Err(Refusal::UnknownTenant);
        }
        // In a task of its own: the first client may disconnect while others wait for the result.
        let task = tokio::spawn(async move {
            let lookup = self.look_up(key.clone());
            self.found.try_get_with(key, lookup).await.map_err(|refusal| *refusal)
        });
        task.await.unwrap_or_else(|_| {
            telemetry::lookup_panicked();
            Err(Refusal::LookupFailed)
        })
    }

    /// Looks a tenant up. For each key, one lookup runs at a time.
    async fn look_up(&self, key: K) -> Result<Tenant, Refusal> {
        // Another lookup may have ended since the caller checked.
        if self.missed.contains_key(&key) {
            return Err(Refusal::UnknownTenant);
        }
        let is_new = self.recently_found.get(&key).await.is_none();
        if is_new && !self.budget.take() {
            return Err(Refusal::LookupBusy);
        }
        let found = timeout(self.lookup_timeout, (self.find)(key.clone())).await;
        let timed_out = Refusal::LookupTimeout { timeout: self.lookup_timeout };
        let found = found.unwrap_or(Err(timed_out));
        match found {
            Ok(_) if is_new => {
                self.budget.give_back();
                self.recently_found.insert(key, ()).await;
            }
            Err(Refusal::UnknownTenant) => self.missed.insert(key, ()).await,
            // The lookup failed; that says nothing about the tenant.
            Err(_) if is_new => self.budget.give_back(),
            _ => {}
        }
        found
    }
}

fn recent<K>(capacity: u64) -> moka::future::CacheBuilder<K, (), Cache<K, ()>>
where
    K: Hash + Eq + Send + Sync + 'static,
{
    Cache::builder().max_capacity(capacity).eviction_policy(EvictionPolicy::lru())
}

/// A number of lookups in a period of time.
struct Budget {
    lookups: u32,
    period: Duration,
    window: Mutex<Window>,
}

struct Window {
    start: Instant,
    left: u32,
}

impl Budget {
    fn new(lookups: u32, period: Duration) -> Self {
        let window = Window { start: Instant::now(), left: lookups };
        Self { lookups, period, window: Mutex::new(window) }
    }

    fn take(&self) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.start.elapsed() >= self.period {
            *window = Window { start: Instant::now(), left: self.lookups };
        }
        let taken = window.left.checked_sub(1);
        window.left = taken.unwrap_or(0);
        taken.is_some()
    }

    fn give_back(&self) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.left = window.left.saturating_add(1).min(self.lookups);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_budget_is_full_again_after_its_time() {
        let budget = Budget::new(2, Duration::from_secs(5));

        assert_eq!([(); 4].map(|()| budget.take()), [true, true, false, false]);
        budget.give_back();
        assert_eq!([(); 2].map(|()| budget.take()), [true, false]);

        tokio::time::advance(Duration::from_secs(5)).await;
        budget.give_back();
        assert_eq!([(); 3].map(|()| budget.take()), [true, true, false]);
    }
}
