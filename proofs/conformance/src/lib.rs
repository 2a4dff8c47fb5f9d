//! What a receiver must answer to each delivery: `cases.json`, made by `cases.py`, and the tests that run
//! it. Here stands what these tests share.
#![forbid(unsafe_code)]

mod redis_server;

pub use redis_server::RedisServer;
