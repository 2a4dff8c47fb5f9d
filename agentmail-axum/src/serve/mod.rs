//! A server with time limits: [`serve`] in place of `axum::serve`.
//!
//! ```no_run
//! # async fn example(app: axum::Router, shutdown: impl Future<Output = ()> + Send + 'static)
//! # -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
//! agentmail_axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
//! # Ok(())
//! # }
//! ```
//!
//! It is the server of the crate `axum-server`, with these limits:
//!
//! | limit | on | default |
//! | --- | --- | --- |
//! | [head timeout](Serve::with_head_timeout) | the head of a request, from its first byte; on a new connection, from the start | 10 seconds |
//! | [idle timeout](Serve::with_idle_timeout) | a connection that waits for the next request | 75 seconds |
//! | [shutdown timeout](Serve::with_shutdown_timeout) | the requests in progress at a shutdown | 25 seconds |
//!
//! A connection that exceeds a limit is closed without a response.
//! An error while accepting a connection, for example for want of a file descriptor, is logged, and
//! does not end the server.
//!
//! # What is not limited
//!
//! - The body of a request and the handler. The layer and the extractors of this crate limit the
//!   body. Limit other routes with a layer of your own.
//! - The number of connections.
//! - The time that a client takes to read a long response, except at a shutdown.
//!
//! The server supports HTTP/1 only, without upgrades (WebSocket). TLS ends at a proxy.

mod acceptor;
mod app;
mod future;
mod requests;
#[expect(clippy::module_inception, reason = "named after the function")]
mod serve;
mod service;

pub use app::{App, Shared};
pub use future::ServeFuture;
pub use serve::{Serve, serve};
