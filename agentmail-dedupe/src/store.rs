use std::{error::Error, pin::Pin, sync::Arc, time::Duration};

use crate::{key::ClaimKey, owner::Owner};

/// Where claims are kept: in memory, on Redis, or in a database of your own.
///
/// A key is *absent*, *claimed* by an owner until its lease ends, or *handled* until its retention
/// ends. A key whose time has ended is absent. Each call is one atomic step:
///
/// | call | absent | claimed by the owner | claimed by another | handled by the owner | handled by another |
/// | --- | --- | --- | --- | --- | --- |
/// | [`claim`](Self::claim) | claimed: `Granted` | the lease restarts: `Granted` | `InFlight` | `AlreadyHandled` | `AlreadyHandled` |
/// | [`renew`](Self::renew) | `Lost` | the lease restarts: `Held` | `Lost` | `Held` | `Lost` |
/// | [`complete`](Self::complete) | handled: `Held` | handled: `Held` | handled: `Lost` | the retention restarts: `Held` | handled by this owner, the retention restarts: `Lost` |
/// | [`release`](Self::release) | – | absent | – | – | – |
/// | [`forget`](Self::forget) | `false` | `false` | `false` | absent: `true` | absent: `true` |
///
/// - If a cell has only a result, or `–`, the call changes nothing.
/// - The same owner may repeat a call, because a call that timed out may have been carried out. A
///   repeated `complete` returns `Held`, also if the first one has found another owner.
/// - `complete` records the message in any case, because the handler has succeeded. It may find the
///   key absent: the lease ended while the handler ran. It returns `Lost` if another attempt has
///   claimed the message in the meantime. That attempt loses its claim. If it fails, the message is
///   not handled once more.
/// - A `claim` that timed out may reach the database after the owner's `release`. The key then
///   stays claimed until its lease ends, although nobody handles the message.
/// - Report a failure as an error. Do not panic.
///
/// The feature `test-util` has a test that any store can run: the module `testing`.
///
/// # For a store over a database
///
/// - **Never block the thread of a call.** All calls of a process share one thread. While it is
///   blocked, no claim is renewed and no deadline ends a call. Wrap a synchronous client in
///   `tokio::task::spawn_blocking`.
/// - Use a connection pool of the store's own. Connections that run on the
///   thread of the calls must not serve the app.
/// - Set a time limit in the database too. After a call has timed out in this process, its query
///   still runs in the database.
/// - Delete rows whose time has ended.
/// - A record must be on disk before `complete` returns. If a crash loses the record, the message
///   is handled again.
pub trait ClaimStore: Send + Sync + 'static {
    /// Whether a call may have to wait, for example for a network or a disk.
    ///
    /// If it is true, calls run on the background thread of [`Claims`](crate::Claims), with a
    /// deadline. A handler that blocks a thread of the runtime cannot delay them.
    const MAY_WAIT: bool = true;

    /// The name of the kind of store: `memory`, `redis`, or `other` for every other one.
    ///
    /// It is the label `store` of a metric. In metrics, any other name appears as `other`.
    const NAME: &str = "other";

    /// Claims a key for an owner, if it is absent.
    ///
    /// The lease is between a second and 24 hours.
    fn claim(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> impl Future<Output = Result<ClaimOutcome, BoxError>> + Send;

    /// Restarts the lease of a claim.
    fn renew(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> impl Future<Output = Result<LeaseState, BoxError>> + Send;

    /// Records a key as handled, also if another owner has it.
    ///
    /// The retention is between a minute and 100 years.
    fn complete(
        &self,
        key: ClaimKey,
        owner: Owner,
        retention: Duration,
    ) -> impl Future<Output = Result<LeaseState, BoxError>> + Send;

    /// Ends the claim of an owner: the key becomes absent.
    fn release(
        &self,
        key: ClaimKey,
        owner: Owner,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Makes a handled key absent, and returns whether it was handled.
    fn forget(&self, key: ClaimKey) -> impl Future<Output = Result<bool, BoxError>> + Send;
}

/// The outcome of [`ClaimStore::claim`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store has no other outcome")]
pub enum ClaimOutcome {
    /// The owner has the claim.
    Granted,
    /// The message is handled.
    AlreadyHandled,
    /// Another owner has the claim.
    InFlight,
}

/// Whether an owner still has its claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store has no other outcome")]
pub enum LeaseState {
    /// The owner has it, or has completed it.
    Held,
    /// The lease has ended, or another owner has the key. For `complete`: another owner had it.
    Lost,
}

/// An error of a [`ClaimStore`]. Its text goes to the log, so it must not contain a secret.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A call that owns what it needs.
pub(crate) type Call<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A [`ClaimStore`] whose type is erased.
pub(crate) trait AnyStore: Send + Sync {
    fn may_wait(&self) -> bool;
    fn name(&self) -> &'static str;
    fn claim(self: Arc<Self>, key: ClaimKey, owner: Owner, lease: Duration) -> Call<ClaimOutcome>;
    fn renew(self: Arc<Self>, key: ClaimKey, owner: Owner, lease: Duration) -> Call<LeaseState>;
    fn complete(
        self: Arc<Self>,
        key: ClaimKey,
        owner: Owner,
        retention: Duration,
    ) -> Call<LeaseState>;
    fn release(self: Arc<Self>, key: ClaimKey, owner: Owner) -> Call<()>;
    fn forget(self: Arc<Self>, key: ClaimKey) -> Call<bool>;
}

impl<S: ClaimStore> AnyStore for S {
    fn may_wait(&self) -> bool {
        S::MAY_WAIT
    }

    fn name(&self) -> &'static str {
        S::NAME
    }

    fn claim(self: Arc<Self>, key: ClaimKey, owner: Owner, lease: Duration) -> Call<ClaimOutcome> {
        Box::pin(async move { S::claim(&self, key, owner, lease).await })
    }

    fn renew(self: Arc<Self>, key: ClaimKey, owner: Owner, lease: Duration) -> Call<LeaseState> {
        Box::pin(async move { S::renew(&self, key, owner, lease).await })
    }

    fn complete(
        self: Arc<Self>,
        key: ClaimKey,
        owner: Owner,
        retention: Duration,
    ) -> Call<LeaseState> {
        Box::pin(async move { S::complete(&self, key, owner, retention).await })
    }

    fn release(self: Arc<Self>, key: ClaimKey, owner: Owner) -> Call<()> {
        Box::pin(async move { S::release(&self, key, owner).await })
    }

    fn forget(self: Arc<Self>, key: ClaimKey) -> Call<bool> {
        Box::pin(async move { S::forget(&self, key).await })
    }
}
