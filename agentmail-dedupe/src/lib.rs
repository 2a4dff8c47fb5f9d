#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod background;
mod check;
mod claim;
mod claims;
mod config;
mod deadline;
mod error;
mod key;
mod lease;
mod memory;
#[cfg(feature = "metrics")]
pub mod metrics;
mod observer;
mod owner;
mod panic;
#[cfg(feature = "redis")]
mod redis;
mod store;
mod telemetry;
#[cfg(feature = "test-util")]
pub mod testing;

pub use check::CheckError;
pub use claim::Claim;
pub use claims::Claims;
pub use config::{ClaimsConfig, LeaseError};
pub use error::{ClaimError, StoreError};
pub use key::ClaimKey;
pub use memory::MemoryStore;
pub use observer::{DedupeEvent, DedupeOutcome, Observer, StoreCall, StoreOp};
pub use owner::{Owner, OwnerError};
#[cfg(feature = "redis")]
pub use redis::{RedisCallError, RedisErrorKind, RedisStore, RedisStoreError};
pub use store::{BoxError, ClaimOutcome, ClaimStore, LeaseState};
pub use telemetry::DedupeStats;
