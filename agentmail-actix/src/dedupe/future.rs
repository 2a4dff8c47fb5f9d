use std::{
    fmt,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{Error, body::EitherBody, dev::ServiceResponse, rt::task::JoinHandle};
use agentmail_receive::Refusal;

use crate::rejection::WebhookRejection;

/// The future of [`Dedupe`](super::Dedupe). It waits for the handler's task. If this future is
/// dropped, the task continues.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<B> {
    task: JoinHandle<Result<ServiceResponse<EitherBody<B>>, Error>>,
}

impl<B> ResponseFuture<B> {
    pub(super) const fn new(
        task: JoinHandle<Result<ServiceResponse<EitherBody<B>>, Error>>,
    ) -> Self {
        Self { task }
    }
}

impl<B> Future for ResponseFuture<B> {
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.task).poll(cx)) {
            Ok(response) => response,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The worker is shutting down.
                Err(_) => Err(WebhookRejection::logged(Refusal::StoreUnavailable).into()),
            },
        })
    }
}

impl<B> fmt::Debug for ResponseFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
