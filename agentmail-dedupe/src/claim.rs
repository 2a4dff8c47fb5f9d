use std::fmt;

use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{key::ClaimKey, lease::Lease};

/// A message that is being handled: a guard, whose claim is renewed in the background.
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
    /// It returns when the store has responded, or has failed to within the deadline. In the second
    /// case, the record is tried again in the background until the lease ends, and the success of
    /// the handler remains valid. A claim that another owner has taken over is left alone.
    pub async fn complete(self) {
        if let Some(lease) = self.lease {
            lease.complete().await;
        }
    }

    /// Releases the message, so that the next copy is handled: call this after the handler has
    /// failed.
    ///
    /// It returns when the store has responded, or has failed to within the deadline. In the second
    /// case, the release is tried again in the background until the lease ends.
    pub async fn release(self) {
        if let Some(lease) = self.lease {
            lease.release().await;
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("key", &self.key).finish_non_exhaustive()
    }
}
