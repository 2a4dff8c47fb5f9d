//! Once-only handling: copies of a message are handled once.
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
//! // One handle, created before the server starts. `RedisStore` is for more than one process.
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
//! # A layer in between
//!
//! [`DedupeLayer`] finds the delivery that [`VerifyLayer`](crate::VerifyLayer) has put into the
//! request's extensions, so `VerifyLayer` must be outside of it. With the wrong order, each request
//! gets 500 (`missing_layer`). In a `ServiceBuilder`, the first layer is outermost. With
//! `.route_layer(…)` and `.layer(…)`, the *last* call is outermost:
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
//! A layer between the two must not turn a 2xx response into another one: the message is recorded
//! as handled by then.
//!
//! # The task
//!
//! Claim, handler and record run in a task of their own, on the tokio runtime of the request. A
//! handler therefore runs to its end when its client disconnects, which otherwise cancels it. The
//! sender's next attempt gets 503 while the handler runs, and 200 afterwards. The task has the
//! request's `tracing` span, but not its task-locals. A panic is passed on to the request.
//!
//! At the end of the process, wait for these tasks with [`Claims::drain`]. A layer that limits the
//! time or the number of handlers (`TimeoutLayer`, `ConcurrencyLimit`) belongs *inside* this layer.
//! Outside, it limits the requests that wait for a handler, not the handlers.

mod future;
mod layer;
mod service;

#[doc(inline)]
pub use agentmail_receive::dedupe::{
    BoxError, CheckError, Claim, ClaimError, ClaimKey, ClaimOutcome, ClaimStore, Claims,
    ClaimsConfig, DedupeStats, LeaseError, LeaseState, MemoryStore, Owner, OwnerError, StoreError,
};
#[cfg(feature = "redis")]
#[doc(inline)]
pub use agentmail_receive::dedupe::{RedisCallError, RedisErrorKind, RedisStore, RedisStoreError};
pub use future::ResponseFuture;
pub use layer::DedupeLayer;
pub use service::Dedupe;
