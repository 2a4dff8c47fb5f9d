use std::ops::Deref;

use agentmail_verify::{SignedHeaders, UnixTime, Verifier, VerifyError};
use bytes::Bytes;

/// An authentic delivery: the [`Receipt`](crate::Receipt), together with the bytes that were signed.
///
/// [`VerifyLayer`](crate::VerifyLayer) leaves it in the request's extensions; in axum it is an
/// extractor, which answers 500 on a route without the layer. A clone is a reference count.
///
/// ```
/// use agentmail_axum::Delivery;
///
/// async fn on_delivery(delivery: Delivery) {
///     let receipt = delivery.receipt();
///     println!("{} bytes, signed with {}", delivery.body().len(), receipt.label());
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Delivery(pub(crate) agentmail_receive::Delivery);

impl Delivery {
    /// Verifies a body that is at hand, for a test that calls a handler directly.
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
        agentmail_receive::Delivery::verify(verifier, headers, body, now).map(Self)
    }
}

impl Deref for Delivery {
    type Target = agentmail_receive::Delivery;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
