#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod any_store;
mod backoff;
mod config;
mod error;
mod fault;
mod filter;
mod inbox;
mod lease;
mod limits;
mod message;
#[cfg(feature = "metrics")]
pub mod metrics;
mod new_message;
mod observer;
mod outcome;
#[cfg(feature = "postgres")]
mod postgres;
mod reconcile;
mod retry;
mod row;
mod sampler;
mod shared_store;
pub mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod state;
mod store;
mod take;
mod telemetry;
#[cfg(feature = "test-util")]
pub mod testing;
mod text;
mod worker;

pub use agentmail_receive::MessageKey;
pub use backoff::Backoff;
pub use config::InboxConfig;
pub use error::InboxError;
pub use filter::Filter;
pub use inbox::Inbox;
pub use lease::{Lease, LeaseState, RowId};
pub use limits::{HORIZON, LONGEST_LEASE, LONGEST_PAUSE};
pub use message::{FinishError, FinishTransaction, Message};
pub use new_message::NewMessage;
pub use observer::{
    AttemptEnded, AttemptOutcome, MessageStored, Observer, Sample, SampleCounts, StoreCall, StoreOp,
};
pub use outcome::{Finish, Outcome};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresConfig, PostgresError, PostgresErrorKind, PostgresStore};
pub use reconcile::{Discrepancy, DiscrepancyKind, ReconcileError, Reconciled};
pub use retry::{GiveUp, Retry};
pub use row::{Row, RowBody};
#[cfg(feature = "sqlite")]
#[doc(no_inline)]
pub use rusqlite;
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteConfig, SqliteError, SqliteStore};
pub use state::{Counts, State};
pub use store::{BoxError, InboxStore, Page, Pruning, Stored};
pub use take::{Take, TakeToken, Taken};
pub use telemetry::InboxStats;
#[cfg(feature = "postgres")]
#[doc(no_inline)]
pub use tokio_postgres;
pub use worker::{Drained, Tried, Worker, Workers};
