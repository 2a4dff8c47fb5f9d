//! The extractors.

mod verified;
mod webhook;

pub use verified::Verified;
pub use webhook::{Webhook, WebhookFuture};
