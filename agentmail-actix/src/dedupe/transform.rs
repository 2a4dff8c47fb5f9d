use std::future::{Ready, ready};

use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};
use agentmail_receive::{Dedupe, WebhookConfig};

use super::Once;
use crate::middleware::Verify;

/// Verifies deliveries, and handles each message once; made by
/// [`VerifyWebhook::dedupe`](crate::VerifyWebhook::dedupe).
///
/// # Refuses
///
/// What [`VerifyWebhook`](crate::VerifyWebhook) refuses, and then:
///
/// | what happened | status |
/// | --- | --- |
/// | the message was handled | 200 |
/// | a copy of the message is being handled | 503, with `Retry-After` |
/// | the store is down, slow or full | 503, with `Retry-After` |
///
/// The answer has no body, and a [`Refusal`](crate::Refusal) in its extensions.
#[derive(Debug, Clone)]
#[must_use]
pub struct DedupeWebhook {
    config: WebhookConfig,
    dedupe: Dedupe,
}

impl DedupeWebhook {
    pub(crate) fn new(config: WebhookConfig, dedupe: Dedupe) -> Self {
        Self { config, dedupe }
    }
}

impl<S, B> Transform<S, ServiceRequest> for DedupeWebhook
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<EitherBody<B>>>;
    type Error = Error;
    type Transform = Verify<Once<S>>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Verify::new(Once::new(inner, self.dedupe.clone()), self.config.clone())))
    }
}
