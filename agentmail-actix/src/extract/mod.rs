//! The extractors.

mod delivery;
mod verified;
mod webhook;

pub use verified::Verified;
pub use webhook::Webhook;
