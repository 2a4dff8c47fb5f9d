use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};
use agentmail_receive::dedupe::{Claims, Dedupe as Handle};

use super::service::Dedupe;
use crate::middleware::{Verify, VerifyWebhook};

/// Handles each message once. Put it inside [`VerifyWebhook`], which provides the verified
/// delivery.
///
/// [`VerifyWebhook::dedupe`] adds both. Use `DedupeWebhook` itself only to put another middleware
/// between them. The [module](crate::dedupe) shows the order.
///
/// # Refuses
///
/// | what happened | status |
/// | --- | --- |
/// | the message was already handled | 200 |
/// | a copy of the message is being handled | 503, with `Retry-After` |
/// | the store is down, slow or full | 503, with `Retry-After` |
/// | no [`VerifyWebhook`] is outside of this middleware | 500, and an error in the log |
///
/// The response has no body, and a [`Refusal`](crate::Refusal) in its extensions.
#[derive(Debug, Clone)]
#[must_use]
pub struct DedupeWebhook {
    handle: Handle,
}

impl DedupeWebhook {
    /// Creates a middleware from claims and a scope.
    ///
    /// `scope` is a namespace for keys. Use a different scope for each route, and for each
    /// environment that shares a store.
    pub fn new(claims: Claims, scope: impl Into<Arc<str>>) -> Self {
        Self { handle: Handle::new(claims, scope) }
    }

    fn service<S>(&self, inner: S) -> Dedupe<S> {
        Dedupe::new(inner, self.handle.clone())
    }
}

impl<S, B> Transform<S, ServiceRequest> for DedupeWebhook
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Dedupe<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(self.service(inner)))
    }
}

/// A [`VerifyWebhook`] with a [`DedupeWebhook`] inside. [`VerifyWebhook::dedupe`] returns it.
#[derive(Debug, Clone)]
#[must_use]
pub struct VerifyAndDedupe {
    verify: VerifyWebhook,
    dedupe: DedupeWebhook,
}

impl VerifyAndDedupe {
    pub(crate) const fn new(verify: VerifyWebhook, dedupe: DedupeWebhook) -> Self {
        Self { verify, dedupe }
    }
}

impl<S, B> Transform<S, ServiceRequest> for VerifyAndDedupe
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<EitherBody<B>>>;
    type Error = Error;
    type Transform = Verify<Dedupe<S>>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, Self::InitError>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(self.verify.service(self.dedupe.service(inner))))
    }
}
