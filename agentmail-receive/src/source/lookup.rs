use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
};

use super::{failure::Failure, head::RequestHead, tenant::Tenant};
use crate::refusal::Refusal;

/// A lookup that has started.
pub(crate) type LookupFuture = Pin<Box<dyn Future<Output = Result<Tenant, Failure>> + Send>>;

/// A lookup whose key type is erased.
pub(super) type ErasedLookup =
    dyn Fn(&RequestHead<'_>) -> Result<LookupFuture, Failure> + Send + Sync;

pub(super) type KeyFn<K> = dyn Fn(&RequestHead<'_>) -> Option<K> + Send + Sync;
pub(super) type FindFn<K> = dyn Fn(K) -> LookupFuture + Send + Sync;

/// Looks up the secrets of a delivery: a [`Source`](super::Source) for many agents.
///
/// It has two steps. `key` reads the name of the tenant from the head of the request. That name is
/// not verified yet. `key` must not block. `find` looks that tenant up, and returns its secrets. It
/// must finish within [`lookup_timeout`](crate::WebhookConfig::with_lookup_timeout). Neither runs
/// if the signature header or the timestamp header is missing, duplicated or malformed.
///
/// Each adapter has its own `Lookup`, whose `key` takes the request of its framework. This type is
/// for other adapters.
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
/// Without `Lookup::cached` (feature `cache`), each well-formed delivery causes a lookup, also a
/// forged one. The lookup is cancelled if the client disconnects. A panic in `find` has the same
/// effect as a panic in a handler.
#[must_use]
pub struct Lookup<K> {
    pub(super) key: Arc<KeyFn<K>>,
    pub(super) find: Arc<FindFn<K>>,
}

impl<K: 'static> Lookup<K> {
    /// Creates a lookup from its two steps. The log shows an error of `find` with its sources.
    pub fn new<H, A, F, E>(key: H, find: A) -> Self
    where
        H: Fn(&RequestHead<'_>) -> Option<K> + Send + Sync + 'static,
        A: Fn(K) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Tenant>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let find = move |key| -> LookupFuture {
            let found = find(key);
            Box::pin(async move { tenant(found.await) })
        };
        Self { key: Arc::new(key), find: Arc::new(find) }
    }

    /// Creates a lookup whose second step also gets a clone of `context`, for example a database
    /// pool.
    ///
    /// `find` cannot be an async closure that captures its environment. Pass the value as `context`
    /// instead: then the closure captures nothing.
    ///
    /// ```
    /// use std::{collections::HashMap, sync::Arc};
    ///
    /// use agentmail_receive::{Lookup, Tenant, WebhookConfig, path_segment};
    /// use agentmail_verify::{Secret, SecretError, Verifier};
    ///
    /// type Pool = Arc<HashMap<String, String>>; // in place of your database
    ///
    /// let pool = Pool::default();
    /// let lookup = Lookup::with(
    ///     pool,
    ///     |head| path_segment(head.path(), "/agents/", "/webhook"),
    ///     async |pool: Pool, agent: String| -> Result<Option<Tenant>, SecretError> {
    ///         let Some(secret) = pool.get(&agent) else { return Ok(None) };
    ///         Ok(Some(Tenant::new(Verifier::new(Secret::new(secret)?), agent)))
    ///     },
    /// );
    /// let config = WebhookConfig::new(lookup);
    /// ```
    pub fn with<C, H, A, F, E>(context: C, key: H, find: A) -> Self
    where
        C: Clone + Send + Sync + 'static,
        H: Fn(&RequestHead<'_>) -> Option<K> + Send + Sync + 'static,
        A: Fn(C, K) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Tenant>, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::new(key, move |key| find(context.clone(), key))
    }

    pub(super) fn erase(self) -> Arc<ErasedLookup> {
        let Self { key, find } = self;
        Arc::new(move |head| {
            // This runs where a request is accepted. A panic there would end a `tower::buffer` with
            // all its requests, which a handler's panic does not.
            let lookup = catch_unwind(AssertUnwindSafe(|| Some(find(key(head)?))));
            match lookup {
                Ok(lookup) => lookup.ok_or(Refusal::MissingTenant.into()),
                Err(_) => Err(Failure::panicked("`key`")),
            }
        })
    }
}

fn tenant<E>(found: Result<Option<Tenant>, E>) -> Result<Tenant, Failure>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    match found {
        Ok(tenant) => tenant.ok_or(Refusal::UnknownTenant.into()),
        Err(error) => Err(Failure::of(&*error.into())),
    }
}

impl<K> Clone for Lookup<K> {
    fn clone(&self) -> Self {
        Self { key: Arc::clone(&self.key), find: Arc::clone(&self.find) }
    }
}

impl<K> fmt::Debug for Lookup<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup").finish_non_exhaustive()
    }
}
