use std::{
    future::{Ready, ready},
    ops::Deref,
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use agentmail_receive::Refusal;
use agentmail_verify::{Signer, UnixTime};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::rejection::WebhookRejection;

/// Extracts a verified delivery: the bytes that were signed, and a [`Receipt`](crate::Receipt) that
/// says when they were signed and which secret matched.
///
/// [`VerifyWebhook`](crate::VerifyWebhook) puts the delivery into the extensions of the request. On
/// a route without the middleware, the extractor responds with 500. A clone is cheap: it increments
/// a reference count.
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
pub struct Delivery(pub agentmail_receive::Delivery);

impl Delivery {
    /// Creates a delivery for a test: signs a body with the timestamp `at`, and verifies it at that
    /// time.
    ///
    /// ```
    /// use agentmail_actix::{Delivery, Secret, Signer, UnixTime};
    ///
    /// async fn on_delivery(delivery: Delivery) -> String {
    ///     delivery.body().len().to_string()
    /// }
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), agentmail_actix::SecretError> {
    /// let signer = Signer::new(Secret::new("whsec_test_secret")?);
    /// let delivery = Delivery::sign(&signer, UnixTime::now(), r#"{"type":"mail.bounced"}"#);
    ///
    /// assert_eq!(on_delivery(delivery).await, "23");
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

impl FromRequest for Delivery {
    type Error = WebhookRejection;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let delivery = request.extensions().get::<Self>().cloned();
        ready(delivery.ok_or_else(|| WebhookRejection::missing_layer(request.path())))
    }
}
