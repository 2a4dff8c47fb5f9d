//! For tests: a store in memory, a clock, fault points, and a test for any
//! [`InboxStore`](crate::InboxStore).
//!
//! [`StoreTest`] makes random calls on a store, with crashes and clocks that are set back, and
//! compares each result and each row with those of [`MemoryStore`]. It also makes calls at the same
//! time, and damages rows. [`WorkerTest`] tests what workers promise on the store. Both need a
//! [`StoreFixture`], which creates empty stores and lets time pass:
//!
//! ```
//! use std::time::Duration;
//!
//! use agentmail_inbox::{
//!     RowId,
//!     testing::{ManualClock, MemoryStore, StoreFixture, StoreTest, WorkerTest},
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
//!     let mut fixture = Memory(ManualClock::new());
//!     StoreTest::new().run(&mut fixture).await;
//!     WorkerTest::new().run(&mut fixture).await;
//! }
//! ```
//!
//! A test that fails prints a short list of steps that shows the fault.

mod checks;
mod clock;
mod fixture;
mod flapping_store;
mod memory_rows;
mod memory_store;
mod random;
mod run;
mod step;
mod store_test;
mod worker_test;

pub use crate::fault::on_fault_point;
pub use clock::ManualClock;
pub use fixture::StoreFixture;
pub use flapping_store::FlappingStore;
pub use memory_store::MemoryStore;
pub use store_test::StoreTest;
pub use worker_test::WorkerTest;
