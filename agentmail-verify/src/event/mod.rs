//! The typed payload.

#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod event;
pub(crate) mod flaw;
mod mail_received;
mod mistyped;
mod time;
mod trust_tier;
mod wire;

pub use event::Event;
pub use mail_received::MailReceived;
pub use time::EventTime;
pub use trust_tier::TrustTier;
