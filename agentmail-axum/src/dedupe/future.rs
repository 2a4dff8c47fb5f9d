use std::{
    fmt,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};

use agentmail_receive::Refusal;
use http::Response;
use tokio::task::JoinHandle;

use crate::{layer::ResponseBody, rejection::WebhookRejection};

/// The future of [`Dedupe`](super::Dedupe). It waits for the handler's task. If this future is
/// dropped, the task continues.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<R, E> {
    task: JoinHandle<Outcome<R, E>>,
}

/// The result of the task: the inner service's response, or a refusal.
type Outcome<R, E> = Result<Result<Response<R>, E>, WebhookRejection>;

impl<R, E> ResponseFuture<R, E> {
    pub(super) const fn new(task: JoinHandle<Outcome<R, E>>) -> Self {
        Self { task }
    }
}

impl<R, E> Future for ResponseFuture<R, E> {
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => Err(WebhookRejection::logged(Refusal::StoreUnavailable)),
            },
        };
        Poll::Ready(match outcome {
            Ok(response) => response.map(|response| response.map(ResponseBody::inner)),
            Err(rejection) => Ok(rejection.into_http_response()),
        })
    }
}

impl<R, E> fmt::Debug for ResponseFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
