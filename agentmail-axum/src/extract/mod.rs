//! The extractors. They need only axum-core.

mod verified;
mod webhook;

pub use verified::Verified;
pub use webhook::Webhook;
