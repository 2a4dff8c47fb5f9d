use std::rc::Rc;

use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, forward_ready},
};
use agentmail_receive::WebhookConfig;

use super::future::ResponseFuture;

/// The service of [`VerifyWebhook`](super::VerifyWebhook).
#[derive(Debug)]
pub struct Verify<S> {
    inner: Rc<S>,
    config: WebhookConfig,
}

impl<S> Verify<S> {
    pub(crate) fn new(inner: S, config: WebhookConfig) -> Self {
        Self { inner: Rc::new(inner), config }
    }

    /// Returns a reference to the inner service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B> Service<ServiceRequest> for Verify<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = ResponseFuture<S>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        ResponseFuture::new(&self.config, request, Rc::clone(&self.inner))
    }
}
