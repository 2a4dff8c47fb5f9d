use std::{
    fmt,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};

use agentmail_receive::{Refusal, Rejection};
use http::Response;
use tokio::task::JoinHandle;

use crate::{WebhookRejection, layer::ResponseBody};

/// The future of [`Once`](super::Once): it waits for the task, which goes on without it.
#[must_use = "futures do nothing unless polled"]
pub struct OnceFuture<R, E> {
    task: JoinHandle<Outcome<R, E>>,
}

/// What a task ends with: the handler's answer, unless the message was not to be handled.
type Outcome<R, E> = Result<Result<Response<R>, E>, Rejection>;

impl<R, E> OnceFuture<R, E> {
    pub(super) fn new(task: JoinHandle<Outcome<R, E>>) -> Self {
        Self { task }
    }
}

impl<R, E> Future for OnceFuture<R, E> {
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is shutting down.
                Err(_) => Err(Refusal::StoreUnavailable.into()),
            },
        };
        Poll::Ready(match outcome {
            Ok(answer) => answer.map(|response| response.map(ResponseBody::inner)),
            Err(rejection) => Ok(WebhookRejection::from(rejection).into_http_response()),
        })
    }
}

impl<R, E> fmt::Debug for OnceFuture<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceFuture").finish_non_exhaustive()
    }
}
