use std::{fmt, time::Duration};

use agentmail_verify::{Receipt, SignedHeaders, UnixTime, Verifier, VerifyError, from_json};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::{Refusal, Rejection, WebhookConfig};

/// An authentic delivery: the proof, together with the bytes that it is about.
///
/// A clone is a reference count. `Debug` shows the length of the body, not the body.
#[derive(Clone)]
pub struct Delivery {
    receipt: Receipt,
    body: Bytes,
    explain: bool,
    fresh_for: Duration,
}

impl Delivery {
    /// Verifies a body that is at hand. There is no other way to make a delivery.
    ///
    /// # Errors
    ///
    /// Those of [`Verifier::verify`].
    pub fn verify(
        verifier: &Verifier,
        headers: &SignedHeaders,
        body: Bytes,
        now: UnixTime,
    ) -> Result<Self, VerifyError> {
        let receipt = verifier.verify(headers, &body, now)?;
        let tolerance = verifier.tolerance();
        let fresh_for = tolerance.max_age().saturating_add(tolerance.max_ahead());
        Ok(Self { receipt, body, explain: false, fresh_for })
    }

    /// Adds what the configuration says of a delivery that it has let in.
    pub(crate) fn under(self, config: &WebhookConfig) -> Self {
        Self {
            explain: config.explains_refusals(),
            fresh_for: self.fresh_for.saturating_add(config.timeout()),
            ..self
        }
    }

    /// Returns when the delivery was signed, and which secret matched.
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Returns the bytes that were signed. They may be anything, even no JSON.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Reads the bytes that were signed as JSON.
    ///
    /// # Errors
    ///
    /// 422: they are not the JSON that `T` asks for.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Rejection> {
        from_json(&self.body).map_err(|error| self.refuse(error.into()))
    }

    /// Refuses this delivery, in the way that its configuration asks for.
    #[must_use]
    pub const fn refuse(&self, refusal: Refusal) -> Rejection {
        Rejection::new(refusal, self.explain)
    }

    /// Returns how long a copy of this delivery may still be let in.
    #[cfg(feature = "dedupe")]
    pub(crate) const fn fresh_for(&self) -> Duration {
        self.fresh_for
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("receipt", &self.receipt)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
