use agentmail_verify::{Receipt, SignedHeaders, UnixTime, Verifier, VerifyError};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::WebhookRejection;

/// An authentic delivery: the [`Receipt`](crate::Receipt), together with the bytes that were signed.
///
/// [`VerifyWebhook`](crate::VerifyWebhook) leaves it in the request's extensions; as an extractor, it
/// answers 500 on a route without the middleware. A clone is a reference count.
///
/// ```
/// use agentmail_actix::Delivery;
///
/// async fn on_delivery(delivery: Delivery) -> &'static str {
///     let receipt = delivery.receipt();
///     println!("{} bytes, signed with {}", delivery.body().len(), receipt.label());
///     "noted"
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

    /// Returns when the delivery was signed, and which secret matched.
    pub const fn receipt(&self) -> &Receipt {
        self.0.receipt()
    }

    /// Returns the bytes that were signed. They may be anything, even no JSON.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        self.0.body()
    }

    /// Reads the bytes that were signed as JSON.
    ///
    /// # Errors
    ///
    /// 422: they are not the JSON that `T` asks for.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, WebhookRejection> {
        Ok(self.0.json()?)
    }
}
