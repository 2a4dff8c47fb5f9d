use std::{error::Error, pin::Pin, sync::Arc, time::Duration};

use super::{Key, Owner};

/// What keeps claims: in memory, on Redis, or where you keep such things.
///
/// A key is *absent*, *claimed* by an owner until its lease ends, or *handled* until its retention
/// ends; what has ended is absent. Each call is one atomic step, and may be repeated by the same owner
/// without changing its outcome, since a call that timed out may have been carried out:
///
/// | call | absent | claimed by the owner | claimed by another | handled by the owner | handled by another |
/// | --- | --- | --- | --- | --- | --- |
/// | [`claim`](Self::claim) | claimed: `Now` | lease anew: `Now` | `InFlight` | `AlreadyHandled` | `AlreadyHandled` |
/// | [`renew`](Self::renew) | `Lost` | lease anew: `Held` | `Lost` | `Held` | `Lost` |
/// | [`complete`](Self::complete) | handled: `Held` | handled: `Held` | `Lost` | `Held` | `Lost` |
/// | [`release`](Self::release) | – | absent | – | – | – |
/// | [`forget`](Self::forget) | `false` | `false` | `false` | absent: `true` | absent: `true` |
///
/// A call that was given up may still be carried out, even after the owner's release: then the key is
/// claimed for one lease by nobody. A back end reports what fails as an error, and does not panic.
///
/// A call on an absent key that completes it is a handler that outlived its lease, while nobody else
/// took the message up.
pub trait Backend: Send + Sync + 'static {
    /// Whether a call may have to wait, for a network say. Then it is made on the store's own thread,
    /// under a deadline, so that no handler that blocks a thread of the runtime can hold it up.
    const WAITS: bool = true;

    /// Claims a key for an owner, if it is free.
    fn claim(
        &self,
        key: Key,
        owner: Owner,
        lease: Duration,
    ) -> impl Future<Output = BackendResult<Claimed>> + Send;

    /// Begins the lease of a claim anew.
    fn renew(
        &self,
        key: Key,
        owner: Owner,
        lease: Duration,
    ) -> impl Future<Output = BackendResult<Holding>> + Send;

    /// Records a key as handled.
    fn complete(
        &self,
        key: Key,
        owner: Owner,
        retention: Duration,
    ) -> impl Future<Output = BackendResult<Holding>> + Send;

    /// Frees a key that the owner has claimed.
    fn release(&self, key: Key, owner: Owner) -> impl Future<Output = BackendResult<()>> + Send;

    /// Frees a key that was handled, and tells whether it was.
    fn forget(&self, key: Key) -> impl Future<Output = BackendResult<bool>> + Send;
}

/// The outcome of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a back end answers nothing else")]
pub enum Claimed {
    /// The key was free, and is the owner's now.
    Now,
    /// The message was handled.
    AlreadyHandled,
    /// Another owner holds the claim.
    InFlight,
}

/// Whether a claim is still its owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a back end answers nothing else")]
pub enum Holding {
    /// It is.
    Held,
    /// The lease has ended, or somebody else has the key.
    Lost,
}

/// Why a back end did not answer; its text goes to the log, and must hold no secret.
pub type BackendError = Box<dyn Error + Send + Sync>;

/// The answer of a back end.
pub type BackendResult<T> = Result<T, BackendError>;

pub(super) type Call<T> = Pin<Box<dyn Future<Output = BackendResult<T>> + Send>>;

/// A back end whose type is not known, and whose calls own what they need.
pub(super) trait AnyBackend: Send + Sync {
    fn waits(&self) -> bool;
    fn claim(self: Arc<Self>, key: Key, owner: Owner, lease: Duration) -> Call<Claimed>;
    fn renew(self: Arc<Self>, key: Key, owner: Owner, lease: Duration) -> Call<Holding>;
    fn complete(self: Arc<Self>, key: Key, owner: Owner, retention: Duration) -> Call<Holding>;
    fn release(self: Arc<Self>, key: Key, owner: Owner) -> Call<()>;
    fn forget(self: Arc<Self>, key: Key) -> Call<bool>;
}

impl<B: Backend> AnyBackend for B {
    fn waits(&self) -> bool {
        B::WAITS
    }

    fn claim(self: Arc<Self>, key: Key, owner: Owner, lease: Duration) -> Call<Claimed> {
        Box::pin(async move { B::claim(&self, key, owner, lease).await })
    }

    fn renew(self: Arc<Self>, key: Key, owner: Owner, lease: Duration) -> Call<Holding> {
        Box::pin(async move { B::renew(&self, key, owner, lease).await })
    }

    fn complete(self: Arc<Self>, key: Key, owner: Owner, retention: Duration) -> Call<Holding> {
        Box::pin(async move { B::complete(&self, key, owner, retention).await })
    }

    fn release(self: Arc<Self>, key: Key, owner: Owner) -> Call<()> {
        Box::pin(async move { B::release(&self, key, owner).await })
    }

    fn forget(self: Arc<Self>, key: Key) -> Call<bool> {
        Box::pin(async move { B::forget(&self, key).await })
    }
}
