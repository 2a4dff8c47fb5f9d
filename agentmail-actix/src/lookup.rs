#[cfg(feature = "cache")]
use std::hash::Hash;
use std::{error::Error, fmt};

use actix_web::HttpRequest;
use agentmail_receive::{RequestHead, Source, Tenant, WebhookConfig};

/// Finds the secrets for a delivery, if each agent has its own. A *tenant* is an agent with its
/// secrets.
///
/// It has two steps. `key` reads the name of the tenant from the request: from the path (see
/// [`path_segment`](crate::path_segment)), from a header, or from what an outer middleware
/// put into the extensions. That name is not verified yet. `key` must not block.
///
/// `find` looks that tenant up, and returns its secrets. It must finish within
/// [`lookup_timeout`](WebhookConfig::with_lookup_timeout). It must not block its thread: call a
/// synchronous client in `actix_web::web::block`.
///
/// Neither runs if the signature header or the timestamp header is missing, duplicated or
/// malformed.
///
/// ```
/// use std::{collections::HashMap, sync::Arc};
///
/// use agentmail_actix::{
///     Lookup, Secret, SecretError, Tenant, Verifier, VerifyWebhook, path_segment,
/// };
///
/// type Pool = Arc<HashMap<String, String>>; // in place of your database pool
///
/// async fn find(pool: Pool, agent: String) -> Result<Option<Tenant>, SecretError> {
///     let Some(secret) = pool.get(&agent) else { return Ok(None) };
///     Ok(Some(Tenant::new(Verifier::new(Secret::new(secret)?), agent)))
/// }
///
/// let pool = Pool::default();
/// let lookup =
///     Lookup::with(pool, |request| path_segment(request.path(), "/agents/", "/webhook"), find);
/// let verify = VerifyWebhook::new(lookup);
/// ```
///
/// `request.path()` is the whole path, also inside `web::scope`.
///
/// # Refuses
///
/// | what happened | status | code |
/// | --- | --- | --- |
/// | `key` returns `None` | 403 | `missing_tenant` |
/// | `find` returns `None` | 403 | `unknown_tenant` |
/// | `find` returns an error: the log line has it | 503 | `lookup_failed` |
/// | `key` panics; with `cached`, also: `find` panics | 503 | `lookup_failed` |
/// | with `cached`: too many lookups wait for their turn | 503 | `lookup_busy` |
/// | `find` takes too long | 503 | `lookup_timeout` |
///
/// Without `cached` (feature `cache`), each well-formed delivery causes a lookup, also a forged
/// delivery. The lookup is cancelled if the client disconnects. A panic in `find` has the same
/// effect as a panic in a handler.
#[must_use]
pub struct Lookup<K>(agentmail_receive::Lookup<K>);

impl<K: 'static> Lookup<K> {
    /// Creates a lookup from its two steps. The log shows an error of `find` with its sources.
    pub fn new<H, A, F, E>(key: H, find: A) -> Self
    where
        H: Fn(&HttpRequest) -> Option<K> + Send + Sync + 'static,
        A: Fn(K) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Tenant>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(agentmail_receive::Lookup::new(move |head| key(request(head)), find))
    }

    /// Creates a lookup whose `find` also gets a clone of `context`, for example a database pool.
    ///
    /// `find` is an async function, or an async closure that captures nothing. The value that `key`
    /// returns is an owned type, for example `String`. The error of `find` is `Send + Sync`, for
    /// example `Box<dyn Error + Send + Sync>`.
    pub fn with<C, H, A, F, E>(context: C, key: H, find: A) -> Self
    where
        C: Clone + Send + Sync + 'static,
        H: Fn(&HttpRequest) -> Option<K> + Send + Sync + 'static,
        A: Fn(C, K) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Tenant>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self(agentmail_receive::Lookup::with(context, move |head| key(request(head)), find))
    }
}

#[cfg(feature = "cache")]
impl<K> Lookup<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Keeps the results for a while, and limits how many lookups run at once.
    ///
    /// The cache also stores names that unauthenticated clients choose, up to
    /// [`max_tenants`](crate::CacheConfig::with_max_tenants) of them. Limit the length of a name in
    /// `key`, as [`path_segment`](crate::path_segment) does: long names would fill the memory.
    pub fn cached(self, config: crate::CacheConfig) -> crate::CachedLookup<K> {
        self.0.cached(config)
    }
}

impl<K: 'static> From<Lookup<K>> for Source {
    fn from(lookup: Lookup<K>) -> Self {
        lookup.0.into()
    }
}

impl<K: 'static> From<Lookup<K>> for WebhookConfig {
    fn from(lookup: Lookup<K>) -> Self {
        lookup.0.into()
    }
}

impl<K> Clone for Lookup<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K> fmt::Debug for Lookup<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").finish_non_exhaustive()
    }
}

fn request<'a>(head: &RequestHead<'a>) -> &'a HttpRequest {
    head.parts().expect("a lookup of this crate is used with this crate's middleware and extractor")
}
