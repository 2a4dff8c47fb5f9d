//! An inbox in a file of SQLite.

mod call;
mod clock;
mod config;
mod error;
mod filter;
mod finish_in;
mod migrations;
mod open;
mod operations;
mod operators;
mod place;
mod reader;
mod rows;
mod store;
mod take_due;
mod writer;

pub use config::SqliteConfig;
pub use error::SqliteError;
pub use store::SqliteStore;
