use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use agentmail_receive::dedupe::Dedupe as Handle;
use http::{Request, Response};
use tower_service::Service;
use tracing::Instrument;

use super::future::ResponseFuture;
use crate::{delivery::Delivery, layer::ResponseBody, rejection::WebhookRejection};

/// The service of [`DedupeLayer`](super::DedupeLayer). It claims the message of the request's
/// [`Delivery`], then calls the inner service.
#[derive(Debug, Clone)]
#[must_use]
pub struct Dedupe<S> {
    inner: S,
    handle: Handle,
}

impl<S> Dedupe<S> {
    pub(super) const fn new(inner: S, handle: Handle) -> Self {
        Self { inner, handle }
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

impl<S, B, R> Service<Request<B>> for Dedupe<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<R, S::Error>;

    /// Always ready. It waits for the inner service after the message has been claimed.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { mut inner, handle } = self.clone();
        let handling = async move {
            let delivery = request.extensions().get::<Delivery>();
            let delivery =
                delivery.ok_or_else(|| WebhookRejection::missing_layer(request.uri().path()))?;
            let claim = handle.claim(delivery).await.map_err(WebhookRejection::logged)?;
            let call = async {
                poll_fn(|cx| inner.poll_ready(cx)).await?;
                inner.call(request).await
            };
            let response = call.await;
            if response.as_ref().is_ok_and(|response| response.status().is_success()) {
                claim.complete_in_background().await;
            } else {
                claim.release().await;
            }
            Ok(response)
        };
        ResponseFuture::new(handling.in_current_span())
    }
}
