//! What the tests of this crate share.
//!
//! `cases.json`, which `cases.py` writes, contains deliveries and the response that a receiver must
//! give to each. The tests run these cases against the core and both adapters.
#![forbid(unsafe_code)]

mod redis_server;

pub use redis_server::RedisServer;
