//! Claims on a Redis server, on a set under Sentinel, or on a cluster.

mod address;
#[cfg(feature = "redis-cluster")]
mod cluster;
mod connection;
mod error;
mod eviction;
mod node;
mod script;
mod sentinel;
mod server;
mod shared;
mod silence;
mod store;
mod store_error;
#[cfg(feature = "redis-cluster")]
mod timeouts;
mod wait;

pub use error::{RedisCallError, RedisErrorKind};
pub use store::RedisStore;
pub use store_error::RedisStoreError;
