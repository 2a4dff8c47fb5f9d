use std::ops::Deref;

use agentmail_receive::Refusal;
use agentmail_verify::{Signer, UnixTime};
use axum_core::extract::FromRequestParts;
use bytes::Bytes;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::rejection::WebhookRejection;

/// Extracts a verified delivery: the bytes that were signed, and a [`Receipt`](crate::Receipt) that
/// says when they were signed and which secret matched.
///
/// [`VerifyLayer`](crate::VerifyLayer) puts the delivery into the extensions of the request. On a
/// route without the layer, the extractor responds with 500. A clone is cheap: it increments a
/// reference count.
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
pub struct Delivery(pub agentmail_receive::Delivery);

impl Delivery {
    /// Creates a delivery for a test: signs a body with the timestamp `at`, and verifies it at that
    /// time.
    ///
    /// ```
    /// use agentmail_axum::{Delivery, Secret, Signer, UnixTime};
    ///
    /// async fn on_delivery(delivery: Delivery) -> usize {
    ///     delivery.body().len()
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), agentmail_axum::SecretError> {
    /// let signer = Signer::new(Secret::new("whsec_test_secret")?);
    /// let delivery = Delivery::sign(&signer, UnixTime::now(), r#"{"type":"mail.bounced"}"#);
    ///
    /// assert_eq!(on_delivery(delivery).await, 23);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn sign(signer: &Signer, at: UnixTime, body: impl Into<Bytes>) -> Self {
        Self(agentmail_receive::Delivery::sign(signer, at, body))
    }

    /// Parses the body as JSON.
    ///
    /// # Errors
    ///
    /// 422: the body is not the JSON that `T` expects. The refusal is logged.
    pub fn json<T: DeserializeOwned + 'static>(&self) -> Result<T, WebhookRejection> {
        self.0.json().map_err(WebhookRejection::logged)
    }

    /// Refuses this delivery for a reason that the handler has found.
    ///
    /// The response has the form that is set in the [`WebhookConfig`](crate::WebhookConfig) that
    /// verified the delivery. The refusal is logged.
    #[must_use]
    pub fn refuse(&self, refusal: Refusal) -> WebhookRejection {
        WebhookRejection::logged(self.0.refuse(refusal))
    }

    /// Returns the bytes that were signed.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.0.into_body()
    }

    /// Returns the inner delivery, whose type is the same in axum and actix-web.
    #[must_use]
    pub fn into_inner(self) -> agentmail_receive::Delivery {
        self.0
    }
}

impl Deref for Delivery {
    type Target = agentmail_receive::Delivery;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<S> FromRequestParts<S> for Delivery
where
    S: Sync,
{
    type Rejection = WebhookRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let delivery = parts.extensions.get::<Self>().cloned();
        delivery.ok_or_else(|| WebhookRejection::missing_layer(parts.uri.path()))
    }
}
