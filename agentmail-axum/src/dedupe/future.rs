use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use tokio::runtime::Handle;

use crate::{layer::ResponseBody, rejection::WebhookRejection};

/// The future of [`Dedupe`](super::Dedupe). If it is dropped before it has ended, for example
/// because the client has disconnected, the handler continues in a task of its own.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<R: Send + 'static, E: Send + 'static> {
    /// `None` after it has ended.
    handling: Option<Handling<R, E>>,
    runtime: Handle,
}

/// The claim, the inner service, and the end of the claim.
type Handling<R, E> = Pin<Box<dyn Future<Output = Outcome<R, E>> + Send>>;

/// The inner service's response, or a refusal.
type Outcome<R, E> = Result<Result<Response<R>, E>, WebhookRejection>;

impl<R: Send + 'static, E: Send + 'static> ResponseFuture<R, E> {
    /// Must be called on a tokio runtime.
    pub(super) fn new(handling: impl Future<Output = Outcome<R, E>> + Send + 'static) -> Self {
        Self { handling: Some(Box::pin(handling)), runtime: Handle::current() }
    }
}

impl<R: Send + 'static, E: Send + 'static> Future for ResponseFuture<R, E> {
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Taken out while it is polled: if the handler panics, nothing continues.
        let mut handling = self.handling.take().expect("not polled after it has ended");
        let Poll::Ready(outcome) = handling.as_mut().poll(cx) else {
            self.handling = Some(handling);
            return Poll::Pending;
        };
        Poll::Ready(match outcome {
            Ok(response) => response.map(|response| response.map(ResponseBody::inner)),
            Err(rejection) => Ok(rejection.into_http_response()),
        })
    }
}

impl<R: Send + 'static, E: Send + 'static> Drop for ResponseFuture<R, E> {
    fn drop(&mut self) {
        if let Some(handling) = self.handling.take() {
            // If the runtime is shutting down, this drops the claim, which ends in the background.
            self.runtime.spawn(handling);
        }
    }
}

impl<R: Send + 'static, E: Send + 'static> fmt::Debug for ResponseFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
