use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::SocketAddr,
    task::{Context, Poll},
};

use axum_core::body::Body;
use http::{Request, Response};
use tower_service::Service;

/// An app that [`serve`](crate::serve()) can serve.
///
/// `Target` is inferred. It is the type of the requests to the app:
///
/// | app | `Target` |
/// | --- | --- |
/// | a service, for example `Router` | `Request<Body>` |
/// | a service that makes one for each connection: `into_make_service`, `into_make_service_with_connect_info::<SocketAddr>` | `SocketAddr` |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be served",
    note = "a `Router` needs its state first: `.with_state(…)`"
)]
pub trait App<Target> {
    /// The service that makes one for each connection.
    type MakeService;

    /// Converts the app into a service that makes one for each connection.
    fn into_make_service(self) -> Self::MakeService;
}

impl<M, S, B> App<SocketAddr> for M
where
    M: Service<SocketAddr, Response = S>,
    S: Service<Request<Body>, Response = Response<B>>,
{
    type MakeService = M;

    fn into_make_service(self) -> M {
        self
    }
}

impl<S, B> App<Request<Body>> for S
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
{
    type MakeService = Shared<S>;

    fn into_make_service(self) -> Shared<S> {
        Shared(self)
    }
}

/// Makes clones of one service.
#[derive(Clone, Debug)]
pub struct Shared<S>(S);

impl<S: Clone> Service<SocketAddr> for Shared<S> {
    type Response = S;
    type Error = Infallible;
    type Future = Ready<Result<S, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: SocketAddr) -> Self::Future {
        ready(Ok(self.0.clone()))
    }
}
