//! For tests: fault points of the stores, and a test for any [`InboxStore`](crate::InboxStore).

pub use crate::fault::on_fault_point;
