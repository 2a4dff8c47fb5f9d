//! For tests: a store in memory, a clock, fault points, and a test for any
//! [`InboxStore`](crate::InboxStore).

mod clock;
mod memory_store;

pub use crate::fault::on_fault_point;
pub use clock::ManualClock;
pub use memory_store::MemoryStore;
