//! Once-only handling: copies of a message are handled once.
//!
//! ```
//! use agentmail_axum::{Event, Memory, Secret, Store, Verified, Verifier, VerifyLayer};
//! use axum::{Router, routing::post};
//!
//! async fn on_event(Verified(event): Verified<Event>) {
//!     println!("once: {event:?}");
//! }
//!
//! // One store, made before the server starts; `Redis` for more than one process.
//! let store = Store::new(Memory::new());
//! let verify = VerifyLayer::new(Verifier::new(Secret::new("whsec_test_secret")?));
//! let app: Router = Router::new()
//!     .route("/agentmail/webhook", post(on_event))
//!     .route_layer(verify.dedupe(store.clone(), "production"));
//! // After `axum::serve(listener, app).with_graceful_shutdown(…).await`: `store.drain().await`.
//! # Ok::<(), agentmail_axum::SecretError>(())
//! ```
//!
//! # The task
//!
//! Claim, handler and record run in a task of their own, on the tokio runtime that the request came in
//! on. So a handler runs to its end although its client goes away, which would otherwise cut it short;
//! the sender's next attempt then gets 503 while it runs, and 200 afterwards. The task has the request's
//! `tracing` span, but not its task-locals. A panic is handed on to the request.
//!
//! At the end of the process, wait for these tasks with [`Store::drain`]. What limits the time or the
//! number of handlers (`TimeoutLayer`, `ConcurrencyLimit`) belongs *inside* this layer: outside, it
//! limits those who wait for a handler, not the handler.
pub use agentmail_receive::dedupe::*;

mod future;
mod layer;
mod service;

pub use future::OnceFuture;
pub use layer::DedupeLayer;
pub use service::Once;
