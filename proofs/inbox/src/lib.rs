//! What the proofs of the durable inbox share: servers, senders, and kills.
#![forbid(unsafe_code)]

mod fault;
mod fault_points;
mod node;
mod postgres_server;
mod proxy;
/// Deliveries, as the service sends them.
pub mod sender;
pub mod signal;

pub use fault::{Fault, Moment, one_line};
pub use fault_points::{FaultPoints, Kills};
pub use node::Node;
pub use postgres_server::PostgresServer;
pub use proxy::Proxy;
pub use sender::Sender;
