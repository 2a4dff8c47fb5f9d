//! What is on disk: the mails, and with the feature `data` everything else.

mod bucket;
mod change;
mod journal;
#[cfg(feature = "data")]
mod sqlite;

pub(crate) use bucket::Bucket;
pub(crate) use change::{Change, Table};
pub(crate) use journal::{Ack, Journal};
#[cfg(feature = "data")]
pub(crate) use sqlite::open;
