//! Handles each message once, however often it is delivered.
//!
//! A [`Dedupe`] claims the message of a delivery before its handler runs. The claim keeps other
//! requests from handling the message at the same time. After the handler, the adapter completes
//! the [`Claim`], so that the message is recorded as handled, or releases it. The claims are those
//! of the crate `agentmail-dedupe`.

use std::sync::Arc;

pub use agentmail_dedupe::{
    BoxError, CheckError, Claim, ClaimError, ClaimKey, ClaimOutcome, ClaimStore, Claims,
    ClaimsConfig, DedupeEvent, DedupeOutcome, DedupeStats, LeaseError, LeaseState, MemoryStore,
    Observer, Owner, OwnerError, StoreCall, StoreError, StoreOp,
};
#[cfg(feature = "redis")]
pub use agentmail_dedupe::{RedisCallError, RedisErrorKind, RedisStore, RedisStoreError};

use crate::{delivery::Delivery, message_key::MessageKey, refusal::Refusal, rejection::Rejection};

/// Handles each message once: the [`Claims`], and the scope of their keys.
///
/// A clone is a handle to the same claims.
#[derive(Debug, Clone)]
#[must_use]
pub struct Dedupe {
    claims: Claims,
    scope: Arc<str>,
}

impl Dedupe {
    /// Creates a handle from claims and a scope.
    ///
    /// `scope` is a namespace for keys. Use a different scope for each route, and for each
    /// environment that shares a store.
    pub fn new(claims: Claims, scope: impl Into<Arc<str>>) -> Self {
        Self { claims, scope: scope.into() }
    }

    /// Returns the key that a message is claimed under.
    #[must_use]
    pub fn claim_key(&self, message: MessageKey) -> ClaimKey {
        ClaimKey::new(&self.scope, message)
    }

    /// Claims the message of a delivery, before its handler runs.
    ///
    /// After a 2xx response, an adapter calls [`Claim::complete_in_background`]. After any other
    /// outcome, it calls [`Claim::release`]. If the client disconnects, the adapter continues all
    /// of this in a task of its own.
    ///
    /// # Errors
    ///
    /// The message was already handled or is being handled at this moment, or the store failed.
    pub async fn claim(&self, delivery: &Delivery) -> Result<Claim, Rejection> {
        let key = self.claim_key(delivery.message_key());
        self.claims.claim(key, delivery.fresh_for()).await.map_err(|error| {
            delivery.refuse(match error {
                ClaimError::AlreadyHandled => Refusal::AlreadyHandled,
                ClaimError::InFlight => Refusal::InFlight,
                // The log of the claims has the cause.
                _ => Refusal::StoreUnavailable,
            })
        })
    }
}
