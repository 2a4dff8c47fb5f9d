use std::sync::Arc;

use super::{Claim, Claimed, Key, Store, StoreError, claim::log};
use crate::{Delivery, Refusal, Rejection};

/// Handles each message once: a [`Store`], and the scope that its messages are told apart under.
///
/// A clone is a handle to the same.
#[derive(Debug, Clone)]
#[must_use]
pub struct Dedupe {
    store: Store,
    scope: Arc<str>,
}

impl Dedupe {
    /// Takes a store and a scope; see [`Key`].
    pub fn new(store: Store, scope: impl Into<Arc<str>>) -> Self {
        Self { store, scope: scope.into() }
    }

    /// Claims the message of a delivery, before its handler runs.
    ///
    /// An adapter does so in a task of its own, runs the handler, and [ends](Claim::end) the claim
    /// there: a client that goes away must not cut that short.
    ///
    /// # Errors
    ///
    /// The message is handled already, or being handled just now; or the store does not answer.
    pub async fn claim(&self, delivery: &Delivery) -> Result<Claim, Rejection> {
        let key = Key::of_delivery(&self.scope, delivery);
        let retention = self.store.settings().retention(delivery.fresh_for());
        let refusal = match Claim::ask(&self.store, key, retention).await {
            Ok((Claimed::Now, claim)) => {
                self.store.counters().note(|counts| counts.claimed += 1);
                return Ok(claim);
            }
            Ok((Claimed::AlreadyHandled, _)) => {
                self.store.counters().note(|counts| counts.already_handled += 1);
                Refusal::AlreadyHandled
            }
            Ok((Claimed::InFlight, _)) => {
                self.store.counters().note(|counts| counts.in_flight += 1);
                Refusal::InFlight
            }
            Err(error)
                if self.store.settings().handles_unclaimed()
                    && !matches!(error, StoreError::Expired) =>
            {
                self.store.counters().note(|counts| counts.unclaimed += 1);
                log(&error, "a message is handled unclaimed: a copy of it would be too");
                return Ok(Claim::none(&self.store, key));
            }
            Err(error) => {
                self.store.counters().note(|counts| counts.unavailable += 1);
                log(&error, "a message could not be claimed");
                Refusal::StoreUnavailable
            }
        };
        Err(delivery.refuse(refusal))
    }
}
