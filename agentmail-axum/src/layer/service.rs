use std::task::{Context, Poll};

use agentmail_receive::WebhookConfig;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    body::{RequestBody, ResponseBody},
    future::ResponseFuture,
};

/// The service of [`VerifyLayer`](super::VerifyLayer).
#[derive(Debug, Clone)]
#[must_use]
pub struct Verify<S> {
    inner: S,
    config: WebhookConfig,
}

impl<S> Verify<S> {
    /// Verifies deliveries before `inner` is called.
    pub fn new(inner: S, config: impl Into<WebhookConfig>) -> Self {
        Self { inner, config: config.into() }
    }

    /// Returns a reference to the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, R> Service<Request<B>> for Verify<S>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone,
    B: Body,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    /// Always ready. It waits for the inner service after the signature has matched.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(&self.config, request, self.inner.clone())
    }
}
