//! What the tests of this crate share.
//!
//! `cases.json`, which `cases.py` writes, contains deliveries and the response that a receiver must
//! give to each. The tests run these cases against the core and both adapters.
#![forbid(unsafe_code)]

mod redis_cluster;
mod redis_sentinels;
mod redis_server;

pub use redis_cluster::RedisCluster;
pub use redis_sentinels::RedisSentinels;
pub use redis_server::RedisServer;
