use std::fmt;

use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{key::ClaimKey, lease::Lease};

/// The right to handle a message: a guard, which a background thread renews.
///
/// Dropping a claim releases the message, for example after a panic. If
/// [`complete`](Self::complete) had been called, the message is recorded as handled instead. Both
/// happen in the background: dropping a claim neither waits nor panics.
#[must_use = "dropping a claim releases its message"]
pub struct Claim {
    key: ClaimKey,
    /// `None` for a message that is handled without a claim.
    lease: Option<Lease>,
    /// Keeps [`Claims::drain`](crate::Claims::drain) waiting.
    _token: TaskTrackerToken,
}

impl Claim {
    pub(crate) fn new(key: ClaimKey, lease: Option<Lease>, token: TaskTrackerToken) -> Self {
        Self { key, lease, _token: token }
    }

    /// Returns the key of the message.
    #[must_use]
    pub const fn key(&self) -> ClaimKey {
        self.key
    }

    /// Records the message as handled: call this after the handler has succeeded.
    ///
    /// It returns when the store has responded, or when the call has failed. If the call has
    /// failed, the background thread tries again until the lease ends. The handler need not be run
    /// again. If another attempt has claimed the message in the meantime, that attempt loses its
    /// claim: when it fails, the message is not released.
    pub async fn complete(mut self) {
        if let Some(lease) = &mut self.lease {
            lease.complete().await;
        }
    }

    /// Records the message as handled, and does not wait for a store on a network or a disk: call
    /// this after the handler has succeeded, if its response is not to wait for the store.
    ///
    /// It returns at once. The background thread records the message, and tries again until the
    /// lease ends. If the store works, the next [`claim`](crate::Claims::claim) of this process
    /// finds the record. If the process dies before that, a copy that arrives after the lease is
    /// handled again. [`Claims::drain`](crate::Claims::drain) waits for the record.
    pub async fn complete_in_background(mut self) {
        if let Some(lease) = &mut self.lease {
            lease.complete_in_background().await;
        }
    }

    /// Releases the message, so that the next copy is handled: call this after the handler has
    /// failed.
    ///
    /// It returns when the store has responded, or when the call has failed. If the call has
    /// failed, the background thread tries again until the lease ends.
    pub async fn release(mut self) {
        if let Some(lease) = &mut self.lease {
            lease.release().await;
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("key", &self.key).finish_non_exhaustive()
    }
}
