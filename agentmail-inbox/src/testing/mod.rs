//! For tests: a store in memory, a clock, fault points, and a test for any
//! [`InboxStore`](crate::InboxStore).
//!
//! [`StoreTest`] makes random calls on a store, with crashes and clocks that are set back, and
//! compares each result and each row with those of [`MemoryStore`]. It also makes calls at the same
//! time, and damages rows. It needs a [`StoreFixture`], which creates empty stores and lets time
//! pass:
//!
//! ```
//! use std::time::Duration;
//!
//! use agentmail_inbox::{
//!     RowId,
//!     testing::{ManualClock, MemoryStore, StoreFixture, StoreTest},
//! };
//!
//! struct Memory(ManualClock);
//!
//! impl StoreFixture for Memory {
//!     type Store = MemoryStore;
//!
//!     async fn empty_store(&mut self) -> MemoryStore {
//!         MemoryStore::with_clock(&self.0)
//!     }
//!
//!     async fn reopen(&mut self, store: MemoryStore) -> (MemoryStore, bool) {
//!         (store, false) // a store on disk is dropped and opened again
//!     }
//!
//!     async fn advance(&mut self, _: &MemoryStore, time: Duration) {
//!         self.0.advance(time);
//!     }
//!
//!     async fn set_clock_back(&mut self, _: &MemoryStore, by: Duration) -> bool {
//!         self.0.set_back(by);
//!         true
//!     }
//!
//!     async fn damage(&mut self, store: &MemoryStore, id: RowId) {
//!         store.damage(id);
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() {
//!     StoreTest::new().run(&mut Memory(ManualClock::new())).await;
//! }
//! ```
//!
//! A test that fails prints a short list of steps that shows the fault.

mod checks;
mod clock;
mod fixture;
mod memory_store;
mod random;
mod run;
mod step;
mod store_test;

pub use crate::fault::on_fault_point;
pub use clock::ManualClock;
pub use fixture::StoreFixture;
pub use memory_store::MemoryStore;
pub use store_test::StoreTest;
