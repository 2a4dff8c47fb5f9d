use std::{borrow::Borrow, fmt, hash::Hash, sync::Arc};

use super::{config::CacheConfig, results::Results, stats::LookupStats};
use crate::{
    config::WebhookConfig,
    source::{
        lookup::{KeyFn, Lookup, LookupFuture},
        source::Source,
    },
};

/// A [`Lookup`] whose results are kept in the memory of this process. `Lookup::cached` creates it.
///
/// A clone is a handle to the same cache. Keep one, to [forget](Self::forget) a tenant whose secret
/// has changed.
///
/// | | what is kept |
/// | --- | --- |
/// | a tenant that was found | for [`time_to_live`](CacheConfig::with_time_to_live), and longer [while its lookup fails](CacheConfig::with_stale_if_error) |
/// | a name that is no tenant | for [`miss_time_to_live`](CacheConfig::with_miss_time_to_live) |
/// | an error | not |
///
/// While a tenant is being looked up, other deliveries to it wait for the same result. The lookup
/// goes on when the first client disconnects. [A limited
/// number](CacheConfig::with_max_concurrent_lookups) of lookups runs at once.
#[must_use]
pub struct CachedLookup<K> {
    key: Arc<KeyFn<K>>,
    results: Arc<Results<K>>,
}

impl<K> CachedLookup<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Forgets a tenant: the next delivery to it causes a lookup.
    ///
    /// Call it when the secrets of a tenant have changed in your database, or when the tenant was
    /// added or removed there. Each delivery that arrives later, or that still waits for a lookup,
    /// gets the result of a new lookup. The last known result is deleted too: while the lookup
    /// fails, the deliveries to this tenant get 503.
    ///
    /// It has no effect on other processes.
    pub fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.results.forget(key);
    }

    /// Returns how often each outcome has occurred.
    #[must_use]
    pub fn stats(&self) -> LookupStats {
        self.results.stats()
    }
}

impl<K> Lookup<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Keeps the results for a while, and limits how many lookups run at once.
    ///
    /// The cache also stores names that unauthenticated clients choose, up to
    /// [`max_tenants`](CacheConfig::with_max_tenants) of them. Limit the length of a name in `key`,
    /// as [`path_segment`](crate::path_segment) does: long names would fill the memory.
    ///
    /// ```
    /// # use agentmail_receive::{Lookup, Tenant};
    /// use agentmail_receive::{CacheConfig, WebhookConfig};
    ///
    /// # fn example(lookup: Lookup<String>) -> WebhookConfig {
    /// let cached = lookup.cached(CacheConfig::default());
    /// let config = WebhookConfig::new(cached.clone());
    /// // When the secret of `my-agent` has changed:
    /// cached.forget("my-agent");
    /// # config
    /// # }
    /// ```
    pub fn cached(self, config: CacheConfig) -> CachedLookup<K> {
        let Self { key, find } = self;
        CachedLookup { key, results: Arc::new(Results::new(find, config)) }
    }
}

impl<K> From<CachedLookup<K>> for Source
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    fn from(cached: CachedLookup<K>) -> Self {
        let CachedLookup { key, results } = cached;
        let find = move |key| -> LookupFuture { Box::pin(Arc::clone(&results).get(key)) };
        Lookup { key, find: Arc::new(find) }.into()
    }
}

impl<K> From<CachedLookup<K>> for WebhookConfig
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    fn from(cached: CachedLookup<K>) -> Self {
        Self::new(cached)
    }
}

impl<K> Clone for CachedLookup<K> {
    fn clone(&self) -> Self {
        Self { key: Arc::clone(&self.key), results: Arc::clone(&self.results) }
    }
}

impl<K> fmt::Debug for CachedLookup<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedLookup").finish_non_exhaustive()
    }
}
