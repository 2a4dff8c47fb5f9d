#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod buffer;
mod config;
#[cfg(feature = "dedupe")]
pub mod dedupe;
mod delivery;
mod identity;
mod receive;
mod refusal;
mod rejection;
mod source;

pub use config::WebhookConfig;
#[cfg(feature = "dedupe")]
pub use dedupe::{Backend, Claim, Counts, Dedupe, Key, Memory, Store};
#[cfg(feature = "redis")]
pub use dedupe::{Redis, RedisError};
pub use delivery::Delivery;
pub use receive::Receive;
pub use refusal::Refusal;
pub use rejection::{Answer, Rejection};
#[cfg(feature = "cache")]
pub use source::CacheConfig;
pub use source::{Lookup, RequestHead, Source, Tenant};
