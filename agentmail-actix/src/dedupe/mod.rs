//! Handles each message once, even if it is delivered several times. In a few cases, a handler can
//! still run twice, for example if the process crashes while the handler runs.
//!
//! [`DedupeWebhook`] claims a message before its handler runs. The claim keeps other requests from
//! handling the message at the same time. After a 2xx response, `DedupeWebhook` records the message
//! as handled. A later copy gets 200, and the handler does not run.
//!
//! ```
//! use actix_web::{App, web};
//! use agentmail_actix::{
//!     Event, Secret, Verified, Verifier, VerifyWebhook,
//!     dedupe::{Claims, MemoryStore},
//! };
//!
//! async fn on_event(Verified(event): Verified<Event>) -> &'static str {
//!     println!("once: {event:?}");
//!     "noted"
//! }
//!
//! // Create one `Claims`, outside of the closure of `HttpServer::new`, which runs once per worker.
//! // For more than one process, use `RedisStore`.
//! let claims = Claims::new(MemoryStore::new());
//! let verify = VerifyWebhook::new(Verifier::new(Secret::new("whsec_test_secret")?))
//!     .dedupe(claims.clone(), "production");
//! let app =
//!     App::new().route("/agentmail/webhook", web::post().to(on_event).wrap(verify.clone()));
//! # Ok::<(), agentmail_actix::SecretError>(())
//! ```
//!
//! # Order of middleware
//!
//! `VerifyWebhook::dedupe` adds both middlewares. To put another middleware between them, add them
//! separately. [`VerifyWebhook`](crate::VerifyWebhook) must be outside of [`DedupeWebhook`],
//! because `DedupeWebhook` needs the verified delivery. With the wrong order, each request gets 500
//! (`missing_layer`). The *last* `wrap` is outermost:
//!
//! ```
//! use actix_web::{App, middleware::Logger, web};
//! use agentmail_actix::{
//!     DedupeWebhook, Secret, Verifier, VerifyWebhook,
//!     dedupe::{Claims, MemoryStore},
//! };
//!
//! let dedupe = DedupeWebhook::new(Claims::new(MemoryStore::new()), "production");
//! let verify = VerifyWebhook::new(Verifier::new(Secret::new("whsec_test_secret")?));
//! let app = App::new().route(
//!     "/agentmail/webhook",
//!     web::post()
//!         .to(async || "noted")
//!         .wrap(dedupe.clone())
//!         .wrap(Logger::default())
//!         .wrap(verify.clone()),
//! );
//! # Ok::<(), agentmail_actix::SecretError>(())
//! ```
//!
//! A middleware between the two must not turn a 2xx response into an error. `DedupeWebhook` has
//! already recorded the message as handled, so the handler would not run for the sender's next
//! attempt.
//!
//! # The task
//!
//! For each message, `DedupeWebhook` starts a task on the worker's thread. The task claims the
//! message, runs the handler, and records the result. If the client disconnects, the task
//! continues. While the handler runs, the sender's next attempt gets 503. After the handler has
//! succeeded, it gets 200. The task has the request's `tracing` span, but not its task-locals. If
//! the handler panics, the panic continues in the request's own task.
//!
//! # At the end of the process
//!
//! When a worker stops, it waits for its connections. It cancels a task whose client has
//! disconnected. Therefore wait for the claims first, and then stop the server:
//!
//! ```no_run
//! # async fn end(claims: agentmail_actix::dedupe::Claims, server: actix_web::dev::ServerHandle) {
//! use std::time::Duration;
//!
//! server.pause().await; // it accepts no more connections; open ones go on
//! _ = actix_web::rt::time::timeout(Duration::from_secs(20), claims.drain()).await;
//! server.stop(true).await;
//! # }
//! ```
//!
//! # Limits
//!
//! Put a middleware that limits the time or the number of handlers *inside* `DedupeWebhook`. If it
//! is outside, it limits only the requests that wait for handlers. The handlers continue in their
//! tasks.

mod future;
mod service;
mod transform;

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
pub use service::Dedupe;
pub use transform::{DedupeWebhook, VerifyAndDedupe};
