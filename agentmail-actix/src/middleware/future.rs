use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{Payload, Service, ServiceRequest, ServiceResponse},
    http::header::CONTENT_ENCODING,
};
use agentmail_receive::{Receive, WebhookConfig};
use pin_project_lite::pin_project;

use crate::{
    delivery::Delivery,
    headers::{declared_length, head, values},
    rejection::WebhookRejection,
};

pin_project! {
    /// The future of [`Verify`](super::Verify).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S>
    where
        S: Service<ServiceRequest>,
    {
        #[pin]
        state: State<S, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F> {
        Receiving {
            #[pin]
            receive: Receive<Payload>,
            // Taken when the delivery is verified or refused.
            next: Option<(Rc<S>, ServiceRequest)>,
        },
        Responding {
            #[pin]
            response: F,
        },
    }
}

impl<S> ResponseFuture<S>
where
    S: Service<ServiceRequest>,
{
    pub(super) fn new(config: &WebhookConfig, mut request: ServiceRequest, inner: Rc<S>) -> Self {
        let payload = request.take_payload();
        let declared_length = declared_length(request.headers());
        let values = |header| values(request.headers(), header);
        let receive = config.receive(head(request.request()), values, declared_length, payload);
        Self { state: State::Receiving { receive, next: Some((inner, request)) } }
    }
}

impl<S, B> Future for ResponseFuture<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let response = match state.as_mut().project() {
                StateProjection::Receiving { receive, next } => {
                    let received = ready!(receive.poll(cx));
                    let (inner, mut request) = next.take().expect(POLLED_AGAIN);
                    match received {
                        Ok(delivery) => {
                            restore_as_signed(&mut request);
                            request.set_payload(Payload::from(delivery.body().clone()));
                            request.extensions_mut().insert(Delivery(delivery));
                            inner.call(request)
                        }
                        Err(rejection) => {
                            let response =
                                request.error_response(WebhookRejection::logged(rejection));
                            return Poll::Ready(Ok(response.map_into_right_body()));
                        }
                    }
                }
                StateProjection::Responding { response } => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(response.map_into_left_body()));
                }
            };
            state.set(State::Responding { response });
        }
    }
}

/// Removes `Content-Encoding`. The header is not signed, and actix-web's extractors would
/// decompress the bytes that were signed.
fn restore_as_signed(request: &mut ServiceRequest) {
    if !request.headers().contains_key(CONTENT_ENCODING) {
        return;
    }
    // actix-web panics, and changes nothing, if an outer middleware keeps a clone of the request.
    // The delivery is genuine: it must not be lost.
    _ = catch_unwind(AssertUnwindSafe(|| request.headers_mut().remove(CONTENT_ENCODING)));
}

const POLLED_AGAIN: &str = "a future is not polled again once it is ready";

impl<S> fmt::Debug for ResponseFuture<S>
where
    S: Service<ServiceRequest>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
