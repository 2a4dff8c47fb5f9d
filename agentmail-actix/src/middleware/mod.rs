//! A middleware that verifies each request, and refuses it if the signature is not valid.
//!
//! ```
//! use actix_web::{App, web};
//! use agentmail_actix::{Event, Secret, Verified, Verifier, VerifyWebhook};
//!
//! async fn on_mail(Verified(event): Verified<Event>) -> &'static str {
//!     match event {
//!         Event::MailReceived(mail) if mail.sender_verified => {
//!             println!("{:?} has mail: {:?}", mail.agent_id, mail.message_id);
//!         }
//!         _ => println!("an unverified sender, or another type of event"),
//!     }
//!     "noted"
//! }
//!
//! let verify = VerifyWebhook::new(Verifier::new(Secret::new("whsec_test_secret")?));
//! let app =
//!     App::new().route("/agentmail/webhook", web::post().to(on_mail).wrap(verify.clone()));
//! # Ok::<(), agentmail_actix::SecretError>(())
//! ```
//!
//! # What the inner service sees
//!
//! The inner service gets the request with these changes:
//!
//! - The payload contains the bytes that were signed, so that later extractors (`Bytes`, `Json`)
//!   can read it.
//! - The header `Content-Encoding` is removed, so that those extractors do not decompress the
//!   payload. If an outer middleware keeps a clone of the request, the header cannot be removed.
//! - The extensions contain a [`Delivery`](crate::Delivery).
//!
//! # Order of middleware
//!
//! Put middleware that changes the payload inside this middleware. If it is outside, it changes the
//! bytes that were signed, and the delivery is refused (`mismatch`). The *last* call of `wrap` is
//! outermost.
//!
//! A limit of actix-web, for example `PayloadConfig`, has no effect on this middleware. It applies
//! only to the extractors inside.

mod future;
mod service;
mod transform;

pub use future::ResponseFuture;
pub use service::Verify;
pub use transform::VerifyWebhook;
