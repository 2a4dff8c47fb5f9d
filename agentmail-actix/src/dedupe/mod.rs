//! Once-only handling: copies of a message are handled once.
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
//! // One handle, created outside of `HttpServer::new`, whose closure runs once per worker.
//! // `RedisStore` is for more than one process.
//! let claims = Claims::new(MemoryStore::new());
//! let verify = VerifyWebhook::new(Verifier::new(Secret::new("whsec_test_secret")?))
//!     .dedupe(claims.clone(), "production");
//! let app =
//!     App::new().route("/agentmail/webhook", web::post().to(on_event).wrap(verify.clone()));
//! # Ok::<(), agentmail_actix::SecretError>(())
//! ```
//!
//! # A middleware in between
//!
//! [`DedupeWebhook`] finds the delivery that [`VerifyWebhook`](crate::VerifyWebhook) has put into
//! the request's extensions, so `VerifyWebhook` must be outside of it. With the wrong order, each
//! request gets 500 (`missing_layer`). The *last* `wrap` is outermost:
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
//! A middleware between the two must not turn a 2xx response into another one: the message is
//! recorded as handled by then.
//!
//! # The task
//!
//! Claim, handler and record run in a task of their own, on the worker's thread. A handler
//! therefore runs to its end when its client disconnects. The sender's next attempt gets 503 while
//! the handler runs, and 200 afterwards. The task has the request's `tracing` span, but not its
//! task-locals. A panic is passed on to the request.
//!
//! # At the end of the process
//!
//! A worker that stops waits for its connections, and cancels tasks that have none. So wait for the
//! claims first, and then stop the server:
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
//! A middleware that limits the time or the number of handlers belongs *inside* this middleware.
//! Outside, it limits the requests that wait for a handler, not the handlers.

mod future;
mod service;
mod transform;

#[doc(inline)]
pub use agentmail_receive::dedupe::{
    BoxError, CheckError, Claim, ClaimError, ClaimKey, ClaimOutcome, ClaimStore, Claims,
    ClaimsConfig, DedupeStats, LeaseError, LeaseState, MemoryStore, Owner, OwnerError, StoreError,
};
#[cfg(feature = "redis")]
#[doc(inline)]
pub use agentmail_receive::dedupe::{RedisCallError, RedisErrorKind, RedisStore, RedisStoreError};
pub use future::ResponseFuture;
pub use service::Dedupe;
pub use transform::{DedupeWebhook, VerifyAndDedupe};
