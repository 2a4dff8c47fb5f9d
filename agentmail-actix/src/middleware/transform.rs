use std::future::{Ready, ready};

use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};
use agentmail_receive::WebhookConfig;

use super::Verify;

/// Verifies deliveries before anything inside it runs; see the [module](crate::middleware).
///
/// # Refuses
///
/// | what happened | status |
/// | --- | --- |
/// | a header is missing, repeated or malformed; unsigned; too old; too far ahead; no match | 403 |
/// | no such tenant; a tenant's secret, but another agent in the payload | 403 |
/// | the [`Lookup`](crate::Lookup) of the tenant fails or is slow | 503 |
/// | the body is longer than [`body_limit`](WebhookConfig::body_limit) | 413 |
/// | the body is not complete within [`body_timeout`](WebhookConfig::body_timeout) | 408 |
/// | the body breaks off | 400 |
///
/// The answer has no body, and a [`Refusal`](crate::Refusal) in its extensions. It is an answer, not
/// an error: outer middleware sees it as it sees any other.
#[derive(Debug, Clone)]
#[must_use]
pub struct VerifyWebhook {
    config: WebhookConfig,
}

impl VerifyWebhook {
    /// Takes a configuration, or just a [`Verifier`](crate::Verifier).
    pub fn new(config: impl Into<WebhookConfig>) -> Self {
        Self { config: config.into() }
    }

    /// Handles each message once, too: a copy of one that was handled is answered 200, a copy of one
    /// that is being handled 503. See the [module](crate::dedupe).
    ///
    /// The scope keeps apart what must not swallow each other's messages: two routes that one message
    /// goes to, or staging and production on one store.
    #[cfg(feature = "dedupe")]
    pub fn dedupe(
        self,
        store: agentmail_receive::Store,
        scope: impl Into<std::sync::Arc<str>>,
    ) -> crate::DedupeWebhook {
        crate::DedupeWebhook::new(self.config, agentmail_receive::Dedupe::new(store, scope))
    }
}

impl<S, B> Transform<S, ServiceRequest> for VerifyWebhook
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Verify<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Verify::new(inner, self.config.clone())))
    }
}
