use std::fmt;

use agentmail_verify::{Receipt, SignedHeaders, UnixTime, Verifier, VerifyError, from_json};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::Rejection;

/// An authentic delivery: the proof, together with the bytes that it is about.
///
/// A clone is a reference count. `Debug` shows the length of the body, not the body.
#[derive(Clone)]
pub struct Delivery {
    receipt: Receipt,
    body: Bytes,
    explain: bool,
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
        Ok(Self { receipt, body, explain: false })
    }

    /// Puts the reason into the body of a refusal that this delivery still meets.
    pub(crate) fn explaining(self, explain: bool) -> Self {
        Self { explain, ..self }
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
        from_json(&self.body).map_err(|error| Rejection::new(error.into(), self.explain))
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
