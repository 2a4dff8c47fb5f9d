//! The store on PostgreSQL.

mod address;
mod batches;
mod changes;
mod config;
mod connections;
mod error;
mod finish_in;
mod lost_takes;
mod rows;
mod schema;
mod statements;
mod store;
mod take_due;
mod tls;

pub use config::PostgresConfig;
pub use error::{PostgresError, PostgresErrorKind};
pub use store::PostgresStore;
