//! Handles each message once, even if it is delivered several times. In a few cases, a handler can
//! still run twice, for example if the process crashes while the handler runs.
//!
//! [`DedupeLayer`] claims a message before its handler runs. The claim keeps other requests from
//! handling the message at the same time. After a 2xx response, `DedupeLayer` records the message
//! as handled. A later copy gets 200, and the handler does not run.
//!
//! ```
//! use agentmail_axum::{
//!     Event, Secret, Verified, Verifier, VerifyLayer,
//!     dedupe::{Claims, MemoryStore},
//! };
//! use axum::{Router, routing::post};
//!
//! async fn on_event(Verified(event): Verified<Event>) {
//!     println!("once: {event:?}");
//! }
//!
//! // Create one `Claims`, before the server starts. For more than one process, use `RedisStore`.
//! let claims = Claims::new(MemoryStore::new());
//! let verify = VerifyLayer::new(Verifier::new(Secret::new("whsec_test_secret")?));
//! let app: Router = Router::new().route(
//!     "/agentmail/webhook",
//!     post(on_event).route_layer(verify.dedupe(claims.clone(), "production")),
//! );
//! // After `serve(listener, app).with_graceful_shutdown(…).await`: `claims.drain().await`.
//! # Ok::<(), agentmail_axum::SecretError>(())
//! ```
//!
//! # Order of layers
//!
//! `VerifyLayer::dedupe` adds both layers. To put another layer between them, add them separately.
//! [`VerifyLayer`](crate::VerifyLayer) must be outside of [`DedupeLayer`], because `DedupeLayer`
//! needs the verified delivery. With the wrong order, each request gets 500 (`missing_layer`). In a
//! `ServiceBuilder`, the first layer is outermost. With `.route_layer(…)` and `.layer(…)`, the
//! *last* call is outermost:
//!
//! ```
//! use agentmail_axum::{
//!     DedupeLayer, Secret, Verifier, VerifyLayer,
//!     dedupe::{Claims, MemoryStore},
//! };
//! use axum::{Router, routing::post};
//! use tower::ServiceBuilder;
//! use tower_http::trace::TraceLayer;
//!
//! let dedupe = DedupeLayer::new(Claims::new(MemoryStore::new()), "production");
//! let verify = VerifyLayer::new(Verifier::new(Secret::new("whsec_test_secret")?));
//! let trace = TraceLayer::new_for_http();
//!
//! let calls: Router = Router::new().route(
//!     "/agentmail/webhook",
//!     post(async || ())
//!         .route_layer(dedupe.clone())
//!         .route_layer(trace.clone())
//!         .route_layer(verify.clone()),
//! );
//! let builder: Router = Router::new().route(
//!     "/agentmail/webhook",
//!     post(async || ())
//!         .route_layer(ServiceBuilder::new().layer(verify).layer(trace).layer(dedupe)),
//! );
//! # Ok::<(), agentmail_axum::SecretError>(())
//! ```
//!
//! A layer between the two must not turn a 2xx response into an error. `DedupeLayer` has already
//! recorded the message as handled, so the handler would not run for the sender's next attempt.
//!
//! # If the client disconnects
//!
//! The handler runs to its end. If the request's future is dropped, because the client disconnects
//! or because of a timeout outside, the rest of the handler runs in a task of its own, on the tokio
//! runtime of the request. (Without `DedupeLayer`, axum cancels the handler.) While the handler
//! runs, the sender's next attempt gets 503. After the handler has succeeded, the next attempt gets
//! 200.
//!
//! The task has the request's `tracing` span, but not its task-locals. A handler that then panics
//! for want of a task-local has failed, and its message is released. Extensions and the state of
//! the router are not lost.
//!
//! A middleware outside must not keep the request's future without polling it: the handler would
//! not go on, and its message would remain claimed.
//!
//! At the end of the process, wait for these tasks with [`Claims::drain`].
//!
//! Put a layer that limits the time or the number of handlers (`TimeoutLayer`, `ConcurrencyLimit`)
//! *inside* `DedupeLayer`. If it is outside, it limits only the requests that wait for handlers.
//! The handlers run to their end.

mod future;
mod layer;
mod service;

#[doc(inline)]
pub use agentmail_receive::dedupe::{
    BoxError, CheckError, Claim, ClaimError, ClaimKey, ClaimOutcome, ClaimStore, Claims,
    ClaimsConfig, DedupeEvent, DedupeOutcome, DedupeStats, LeaseError, LeaseState, MemoryStore,
    Observer, Owner, OwnerError, StoreCall, StoreError, StoreOp,
};
#[cfg(feature = "redis")]
#[doc(inline)]
pub use agentmail_receive::dedupe::{RedisCallError, RedisErrorKind, RedisStore, RedisStoreError};
pub use future::ResponseFuture;
pub use layer::DedupeLayer;
pub use service::Dedupe;
