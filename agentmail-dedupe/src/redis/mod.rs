//! Claims on a Redis server.

mod address;
mod connection;
mod error;
mod scripts;
mod store;

pub use address::RedisStoreError;
pub use error::{RedisCallError, RedisErrorKind};
pub use store::RedisStore;
