#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod fault;
mod filter;
mod lease;
mod limits;
mod new_message;
mod outcome;
mod row;
mod state;
mod store;
mod take;
#[cfg(feature = "test-util")]
pub mod testing;
mod text;

pub use agentmail_receive::MessageKey;
pub use filter::Filter;
pub use lease::{Lease, LeaseState, RowId};
pub use limits::{HORIZON, LONGEST_LEASE, LONGEST_PAUSE};
pub use new_message::NewMessage;
pub use outcome::{Finish, Outcome};
pub use row::{Row, RowBody};
pub use state::{Counts, State};
pub use store::{BoxError, InboxStore, Page, Pruning, Stored};
pub use take::{Take, TakeToken, Taken};
