//! Once-only handling: copies of a message are handled once.
//!
//! ```
//! use actix_web::{App, web};
//! use agentmail_actix::{Event, Memory, Secret, Store, Verified, Verifier, VerifyWebhook};
//!
//! async fn on_event(Verified(event): Verified<Event>) -> &'static str {
//!     println!("once: {event:?}");
//!     "noted"
//! }
//!
//! // One store, made outside of `HttpServer::new`, whose closure runs once per worker; `Redis` for
//! // more than one process.
//! let store = Store::new(Memory::new());
//! let verify = VerifyWebhook::new(Verifier::new(Secret::new("whsec_test_secret")?))
//!     .dedupe(store.clone(), "production");
//! let app = App::new().service(
//!     web::resource("/agentmail/webhook").wrap(verify.clone()).route(web::post().to(on_event)),
//! );
//! # Ok::<(), agentmail_actix::SecretError>(())
//! ```
//!
//! # The task
//!
//! Claim, handler and record run in a task of their own, on the worker's thread. So a handler runs to its
//! end although its client goes away; the sender's next attempt then gets 503 while it runs, and 200
//! afterwards. The task has the request's `tracing` span, but not its task-locals. A panic is handed on
//! to the request.
//!
//! # At the end of the process
//!
//! A worker that stops waits for its connections, and ends tasks that have none. So wait for the
//! store first, and then stop the server:
//!
//! ```no_run
//! # async fn end(store: agentmail_actix::Store, server: actix_web::dev::ServerHandle) {
//! use std::time::Duration;
//!
//! server.pause().await; // it takes no more connections; open ones go on
//! _ = actix_web::rt::time::timeout(Duration::from_secs(20), store.drain()).await;
//! server.stop(true).await;
//! # }
//! ```
//!
//! # Limits
//!
//! What limits the time or the number of handlers belongs *inside* this middleware: outside, it limits
//! those who wait for a handler, not the handler.

mod service;
mod transform;

pub use agentmail_receive::dedupe::*;

pub use service::Once;
pub use transform::DedupeWebhook;
