use std::future::{Ready, ready};

use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};
use agentmail_receive::WebhookConfig;

use super::service::Verify;
#[cfg(feature = "dedupe")]
use crate::dedupe::{Claims, DedupeWebhook, VerifyAndDedupe};

/// Verifies deliveries before anything inside it runs. The [module](crate::middleware) has
/// examples.
///
/// # Refuses
///
/// | what happened | status |
/// | --- | --- |
/// | a header is missing, duplicated or malformed; unsigned; too old; too far ahead; no match | 403 |
/// | no such tenant; a tenant's secret, but another agent in the payload | 403 |
/// | the [`Lookup`](crate::Lookup) of the tenant fails or is slow | 503 |
/// | the body is longer than [`body_limit`](WebhookConfig::with_body_limit) | 413 |
/// | the body is not complete within [`body_timeout`](WebhookConfig::with_body_timeout) | 408 |
/// | the body ends early | 400 |
///
/// The response has no body, and a [`Refusal`](crate::Refusal) in its extensions. It is a response,
/// not an error: outer middleware sees it like any other.
#[derive(Debug, Clone)]
#[must_use]
pub struct VerifyWebhook {
    config: WebhookConfig,
}

impl VerifyWebhook {
    /// Creates a middleware from a configuration, or from a [`Verifier`](crate::Verifier) alone.
    pub fn new(config: impl Into<WebhookConfig>) -> Self {
        Self { config: config.into() }
    }

    /// Adds a [`DedupeWebhook`] inside this middleware, so that each message is handled once.
    ///
    /// `scope` is a namespace for keys. Use a different scope for each route, and for each
    /// environment that shares a store.
    #[cfg(feature = "dedupe")]
    pub fn dedupe(self, claims: Claims, scope: impl Into<std::sync::Arc<str>>) -> VerifyAndDedupe {
        VerifyAndDedupe::new(self, DedupeWebhook::new(claims, scope))
    }

    pub(crate) fn service<S>(&self, inner: S) -> Verify<S> {
        Verify::new(inner, self.config.clone())
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
        ready(Ok(self.service(inner)))
    }
}
