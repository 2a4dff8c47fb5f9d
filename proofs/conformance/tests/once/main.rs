//! Once-only handling with real servers of both adapters, with the claims in memory and on Redis.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a broken test panics, and says where"
)]

mod client;
mod copies;
mod endings;
mod handler;
mod outages;
mod server;
