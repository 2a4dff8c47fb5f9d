use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use agentmail_receive::{Dedupe, Refusal};
use http::{Request, Response};
use tower_service::Service;
use tracing::Instrument;

use super::OnceFuture;
use crate::{
    Delivery,
    layer::{RequestBody, ResponseBody},
};

/// The service that [`DedupeLayer`](super::DedupeLayer) puts between [`Verify`](crate::layer::Verify)
/// and the inner service: it claims the message of the delivery that it finds in the request.
#[derive(Debug, Clone)]
#[must_use]
pub struct Once<S> {
    inner: S,
    dedupe: Dedupe,
}

impl<S> Once<S> {
    pub(super) fn new(inner: S, dedupe: Dedupe) -> Self {
        Self { inner, dedupe }
    }
}

impl<S, R> Service<Request<RequestBody>> for Once<S>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = OnceFuture<R, S::Error>;

    /// Always ready: the inner service is waited for once the message is claimed.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let Self { mut inner, dedupe } = self.clone();
        let task = async move {
            let delivery = request.extensions().get::<Delivery>().ok_or(Refusal::MissingLayer)?;
            let claim = dedupe.claim(&delivery.0).await?;
            let answer = async {
                poll_fn(|cx| inner.poll_ready(cx)).await?;
                inner.call(request).await
            };
            let answer = answer.await;
            claim.end(answer.as_ref().is_ok_and(|response| response.status().is_success())).await;
            Ok(answer)
        };
        OnceFuture::new(tokio::spawn(task.in_current_span()))
    }
}
