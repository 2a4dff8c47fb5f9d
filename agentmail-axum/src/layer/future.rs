use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use agentmail_receive::{Receive, WebhookConfig};
use http::{Request, Response, request::Parts};
use http_body::Body;
use http_body_util::BodyDataStream;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::{RequestBody, ResponseBody};
use crate::{
    delivery::Delivery,
    headers::{declared_length, head, values},
    rejection::WebhookRejection,
};

pin_project! {
    /// The future of [`Verify`](super::Verify).
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<RequestBody>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B, F> {
        Receiving {
            #[pin]
            receive: Receive<BodyDataStream<B>>,
            // Taken when the delivery is verified.
            next: Option<(S, Parts)>,
            // Set while the rest of a refused body is discarded.
            refused: Option<WebhookRejection>,
        },
        Waiting {
            inner: S,
            // Taken when the inner service is ready.
            request: Option<Request<RequestBody>>,
        },
        Responding {
            #[pin]
            response: F,
        },
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<RequestBody>>,
    B: Body,
{
    pub(super) fn new(config: &WebhookConfig, request: Request<B>, inner: S) -> Self {
        let (parts, body) = request.into_parts();
        let declared_length = declared_length(&parts.headers, &body);
        let values = |header| values(&parts.headers, header);
        let body = BodyDataStream::new(body);
        let receive = config.receive(head(&parts), values, declared_length, body);
        Self { state: State::Receiving { receive, next: Some((inner, parts)), refused: None } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<RequestBody>, Response = Response<R>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Receiving { mut receive, next, refused } => {
                    let received = match refused.take() {
                        Some(rejection) => Err(rejection),
                        None => ready!(receive.as_mut().poll(cx)).map_err(WebhookRejection::logged),
                    };
                    match received {
                        Ok(delivery) => {
                            let (inner, mut parts) = next.take().expect(POLLED_AGAIN);
                            let body = RequestBody::new(delivery.body().clone());
                            parts.extensions.insert(Delivery(delivery));
                            let request = Some(Request::from_parts(parts, body));
                            State::Waiting { inner, request }
                        }
                        Err(rejection) if receive.poll_discard(cx).is_pending() => {
                            *refused = Some(rejection);
                            return Poll::Pending;
                        }
                        Err(rejection) => return Poll::Ready(Ok(rejection.into_http_response())),
                    }
                }
                StateProjection::Waiting { inner, request } => {
                    ready!(inner.poll_ready(cx))?;
                    let request = request.take().expect(POLLED_AGAIN);
                    State::Responding { response: inner.call(request) }
                }
                StateProjection::Responding { response } => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
            };
            state.set(next);
        }
    }
}

const POLLED_AGAIN: &str = "the next state replaces this one in the same poll";

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<RequestBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
