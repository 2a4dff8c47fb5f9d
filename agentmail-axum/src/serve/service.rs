use std::{
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum_core::{BoxError, body::Body};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::requests::{InProgress, Requests};

/// Makes a [`CountingService`] for each connection.
#[derive(Clone, Debug)]
pub(super) struct MakeCounting<M>(pub(super) M);

impl<M: Service<SocketAddr>> Service<SocketAddr> for MakeCounting<M> {
    type Response = CountingService<M::Response>;
    type Error = M::Error;
    type Future = MakeFuture<M::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), M::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, client: SocketAddr) -> Self::Future {
        MakeFuture { service: self.0.call(client) }
    }
}

pin_project! {
    pub(super) struct MakeFuture<F> {
        #[pin]
        service: F,
    }
}

impl<F, S, E> Future for MakeFuture<F>
where
    F: Future<Output = Result<S, E>>,
{
    type Output = Result<CountingService<S>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = ready!(self.project().service.poll(cx))?;
        Poll::Ready(Ok(CountingService { inner, requests: Requests::default() }))
    }
}

/// Counts the requests of its connection.
#[derive(Clone, Debug)]
pub(super) struct CountingService<S> {
    inner: S,
    requests: Requests,
}

impl<S> CountingService<S> {
    pub(super) fn requests(&self) -> &Requests {
        &self.requests
    }
}

impl<S, B, R> Service<Request<B>> for CountingService<S>
where
    S: Service<Request<Body>, Response = Response<R>>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<CountedBody<R>>;
    type Error = S::Error;
    type Future = CountedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let request_in_progress = self.requests.begin();
        let response = self.inner.call(request.map(Body::new));
        CountedFuture { response, request: Some(request_in_progress) }
    }
}

pin_project! {
    pub(super) struct CountedFuture<F> {
        #[pin]
        response: F,
        // Moves into the body of the response.
        request: Option<InProgress>,
    }
}

impl<F, R, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<CountedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.response.poll(cx))?;
        let request = this.request.take();
        Poll::Ready(Ok(response.map(|inner| CountedBody { inner, _request: request })))
    }
}

pin_project! {
    pub(super) struct CountedBody<R> {
        #[pin]
        inner: R,
        _request: Option<InProgress>,
    }
}

impl<R: http_body::Body> http_body::Body for CountedBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
