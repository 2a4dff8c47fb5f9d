use std::{
    fmt,
    future::{IntoFuture, pending, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Mutex,
    time::{Duration, Instant},
};

use axum_core::{BoxError, body::Body};
use axum_server::{Handle, Server};
use http::{Request, Response};
use tokio::net::TcpListener;
use tower_service::Service;

use super::{acceptor::Acceptor, app::App, future::ServeFuture, service::MakeCounting};

/// Serves an app under time limits, in place of `axum::serve`.
///
/// The app is a `Router`, or what its methods `into_make_service` and
/// `into_make_service_with_connect_info::<SocketAddr>` return. The [module](mod@crate::serve) lists
/// the limits.
///
/// The returned value is awaited. It runs until [graceful shutdown](Serve::with_graceful_shutdown).
pub fn serve<A, Target>(listener: TcpListener, app: A) -> Serve<A::MakeService>
where
    A: App<Target>,
{
    Serve {
        listener,
        make_service: app.into_make_service(),
        shutdown: Box::pin(pending()),
        head_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(75),
        shutdown_timeout: Duration::from_secs(25),
    }
}

/// The server that [`serve`] returns.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_head_timeout`](Self::with_head_timeout) | 10 seconds |
/// | [`with_idle_timeout`](Self::with_idle_timeout) | 75 seconds |
/// | [`with_shutdown_timeout`](Self::with_shutdown_timeout) | 25 seconds |
#[must_use = "a server does nothing unless awaited"]
pub struct Serve<M> {
    listener: TcpListener,
    make_service: M,
    shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
    head_timeout: Duration,
    idle_timeout: Duration,
    shutdown_timeout: Duration,
}

impl<M> Serve<M> {
    /// Shuts down when `signal` completes, within the
    /// [shutdown timeout](Self::with_shutdown_timeout).
    ///
    /// The server refuses new connections from then on, and closes idle ones. Requests in progress
    /// get their responses. The server ends when the last connection has ended.
    pub fn with_graceful_shutdown<F>(self, signal: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { shutdown: Box::pin(signal), ..self }
    }

    /// Sets how long the head of a request may take.
    ///
    /// The time runs from the first byte of the head. On a new connection, it runs from the start.
    pub fn with_head_timeout(self, timeout: Duration) -> Self {
        Self { head_timeout: timeout.min(LONGEST), ..self }
    }

    /// Sets how long a connection is kept after a response without a further request.
    ///
    /// It should be longer than the proxy in front keeps idle connections, which is 60 seconds for
    /// many load balancers. Otherwise the proxy may send a delivery into a connection that is just
    /// closing.
    pub fn with_idle_timeout(self, timeout: Duration) -> Self {
        Self { idle_timeout: timeout.min(LONGEST), ..self }
    }

    /// Sets how long a shutdown waits for the requests in progress.
    ///
    /// Then their connections are closed, and handlers are cancelled. It should be shorter than the
    /// time after which a supervisor kills the process, which is 30 seconds in Kubernetes.
    pub fn with_shutdown_timeout(self, timeout: Duration) -> Self {
        Self { shutdown_timeout: timeout.min(LONGEST), ..self }
    }
}

/// Ten years: the largest durations cannot be added to the current time.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

impl<M, S, B> IntoFuture for Serve<M>
where
    M: Service<SocketAddr, Response = S, Error: Into<BoxError>, Future: Send> + Send + 'static,
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Output = io::Result<()>;
    type IntoFuture = ServeFuture;

    fn into_future(self) -> ServeFuture {
        ServeFuture(Box::pin(self.run()))
    }
}

impl<M> Serve<M> {
    async fn run<S, B>(self) -> io::Result<()>
    where
        M: Service<SocketAddr, Response = S, Error: Into<BoxError>, Future: Send> + Send + 'static,
        S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>>,
        S: Clone + Send + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let Self { head_timeout, idle_timeout, shutdown_timeout, .. } = self;
        let handle = Handle::<SocketAddr>::new();
        // The timers of the acceptor assume that a client sends only requests, one after another.
        // HTTP/2 and upgraded connections are different.
        let mut server = Server::from_listener(self.listener).http1_only();
        // The acceptor's timers end earlier. But only if hyper has a timer does it read again after
        // a response, which starts the timer of an idle connection.
        let longest = head_timeout.saturating_add(idle_timeout);
        server.http_builder().http1().header_read_timeout(longest);
        let server = server
            .acceptor(Acceptor { head_timeout, idle_timeout })
            .accept_error_handler(log_accept_error())
            .handle(handle.clone())
            .serve(MakeCounting(self.make_service));

        let mut server = pin!(server);
        let mut shutdown = Some(self.shutdown);
        poll_fn(|cx| {
            if let Some(signal) = &mut shutdown
                && signal.as_mut().poll(cx).is_ready()
            {
                shutdown = None;
                handle.graceful_shutdown(Some(shutdown_timeout));
            }
            server.as_mut().poll(cx)
        })
        .await?;

        match handle.connection_count() {
            0 => {}
            open => tracing::warn!(
                target: "agentmail",
                open,
                "the shutdown timeout has ended; open connections are closed"
            ),
        }
        Ok(())
    }
}

/// Returns a function that logs an error, at most once in ten seconds.
fn log_accept_error() -> impl Fn(Option<&SocketAddr>, &io::Error) + Send + Sync + 'static {
    let logged = Mutex::new(None::<Instant>);
    move |_, error| {
        let Ok(mut logged) = logged.lock() else { return };
        if logged.is_none_or(|at| at.elapsed() >= Duration::from_secs(10)) {
            *logged = Some(Instant::now());
            tracing::error!(target: "agentmail", %error, "cannot accept a connection");
        }
    }
}

impl<M> fmt::Debug for Serve<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("listener", &self.listener)
            .field("head_timeout", &self.head_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .finish_non_exhaustive()
    }
}
