//! Claims on a Redis server.

mod connection;
mod scripts;
mod store;

pub use store::{RedisStore, RedisStoreError};
