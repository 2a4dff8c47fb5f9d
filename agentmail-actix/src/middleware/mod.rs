//! A middleware that lets nothing but genuine deliveries through.
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
//! The request as it arrived, but for two things. Its payload is restored with the bytes that were
//! signed, so that later extractors (`Bytes`, `Json`) work. The header `Content-Encoding` is
//! removed, so that they see these bytes and decompress nothing (it stays if an outer middleware
//! keeps a clone of the request). A [`Delivery`](crate::Delivery) is in the extensions.
//!
//! # Order of middleware
//!
//! Middleware that changes the payload belongs inside this middleware. Outside, it would break the
//! signature. actix-web runs the `wrap` that was added last first. A limit of actix-web, such as
//! `PayloadConfig`, has no effect on this middleware. It applies to the extractors behind it.

mod future;
mod service;
mod transform;

pub use future::ResponseFuture;
pub use service::Verify;
pub use transform::VerifyWebhook;
