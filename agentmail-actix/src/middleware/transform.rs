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

/// Verifies each delivery before the middleware and the handler inside it run. The
/// [module](crate::middleware) has examples.
///
/// # Refuses
///
/// | what happened | status |
/// | --- | --- |
/// | a header is missing, duplicated or malformed | 403 |
/// | the request says that the service has no signing secret (`X-AgentMail-Unsigned: 1`) | 403 |
/// | the timestamp is too old or too far ahead | 403 |
/// | the signature does not match: another secret, a changed body, or a forged delivery | 403 |
/// | the [`Lookup`](crate::Lookup) finds no secrets for the request | 403 |
/// | the secrets belong to one agent ([`Tenant`](crate::Tenant)), and the payload names another agent | 403 |
/// | the [`Lookup`](crate::Lookup) fails, takes too long, or there are too many lookups | 503 |
/// | the body is longer than [`body_limit`](WebhookConfig::with_body_limit) | 413 |
/// | the body is not complete within [`body_timeout`](WebhookConfig::with_body_timeout) | 408 |
/// | the body ends early | 400 |
/// | the secrets belong to one agent, and the payload is a mail that names no agent, or is not a JSON object | 422 |
///
/// The response has no body, and a [`Refusal`](crate::Refusal) in its extensions. The middleware
/// returns it as a response, not as an error, so outer middleware handles it like any other
/// response.
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
