//! A test for any [`ClaimStore`](crate::ClaimStore): it makes random calls and compares each result
//! with the rules.
//!
//! The rules are the table in the documentation of [`ClaimStore`](crate::ClaimStore). The test also
//! makes up to three calls at the same time: their results must be those of the calls in *some*
//! order. Each call is therefore tested for being one atomic step. Keys and owners differ in their
//! last byte only.
//!
//! On a runtime of one thread, calls that never wait run one after the other, and the test cannot
//! find a step that is not atomic. Use `#[tokio::test(flavor = "multi_thread")]`, unless the
//! fixture needs a paused clock.
//!
//! # Example
//!
//! A complete store over a map, and its test:
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex, time::Duration};
//!
//! use agentmail_dedupe::{
//!     BoxError, ClaimKey, ClaimOutcome, ClaimStore, LeaseState, Owner,
//!     testing::{StoreFixture, StoreTest},
//! };
//! use tokio::time::Instant;
//!
//! #[derive(Default)]
//! struct MapStore(Mutex<HashMap<ClaimKey, Entry>>);
//!
//! #[derive(Clone, Copy)]
//! struct Entry {
//!     owner: Owner,
//!     handled: bool,
//!     end: Instant,
//! }
//!
//! impl MapStore {
//!     /// Changes the entry of a key in one atomic step. An entry that has ended is `None`.
//!     fn step<T>(&self, key: ClaimKey, change: impl FnOnce(&mut Option<Entry>) -> T) -> T {
//!         let mut entries = self.0.lock().expect("no change panics");
//!         let mut entry = entries.remove(&key).filter(|entry| Instant::now() < entry.end);
//!         let result = change(&mut entry);
//!         if let Some(entry) = entry {
//!             entries.insert(key, entry);
//!         }
//!         result
//!     }
//! }
//!
//! impl ClaimStore for MapStore {
//!     const MAY_WAIT: bool = false; // a short lock, no network
//!
//!     async fn claim(
//!         &self,
//!         key: ClaimKey,
//!         owner: Owner,
//!         lease: Duration,
//!     ) -> Result<ClaimOutcome, BoxError> {
//!         Ok(self.step(key, |entry| match entry {
//!             Some(entry) if entry.handled => ClaimOutcome::AlreadyHandled,
//!             Some(entry) if entry.owner != owner => ClaimOutcome::InFlight,
//!             _ => {
//!                 *entry = Some(Entry { owner, handled: false, end: Instant::now() + lease });
//!                 ClaimOutcome::Granted
//!             }
//!         }))
//!     }
//!
//!     async fn renew(
//!         &self,
//!         key: ClaimKey,
//!         owner: Owner,
//!         lease: Duration,
//!     ) -> Result<LeaseState, BoxError> {
//!         Ok(self.step(key, |entry| match entry {
//!             Some(entry) if entry.owner != owner => LeaseState::Lost,
//!             Some(entry) if entry.handled => LeaseState::Held,
//!             Some(entry) => {
//!                 entry.end = Instant::now() + lease;
//!                 LeaseState::Held
//!             }
//!             None => LeaseState::Lost,
//!         }))
//!     }
//!
//!     async fn complete(
//!         &self,
//!         key: ClaimKey,
//!         owner: Owner,
//!         retention: Duration,
//!     ) -> Result<LeaseState, BoxError> {
//!         let new = Entry { owner, handled: true, end: Instant::now() + retention };
//!         Ok(self.step(key, |entry| match entry.replace(new) {
//!             Some(old) if old.owner != owner => LeaseState::Lost,
//!             _ => LeaseState::Held,
//!         }))
//!     }
//!
//!     async fn release(&self, key: ClaimKey, owner: Owner) -> Result<(), BoxError> {
//!         self.step(key, |entry| {
//!             entry.take_if(|entry| !entry.handled && entry.owner == owner);
//!         });
//!         Ok(())
//!     }
//!
//!     async fn forget(&self, key: ClaimKey) -> Result<bool, BoxError> {
//!         Ok(self.step(key, |entry| entry.take_if(|entry| entry.handled).is_some()))
//!     }
//! }
//!
//! struct MapFixture;
//!
//! impl StoreFixture for MapFixture {
//!     type Store = MapStore;
//!
//!     async fn empty_store(&mut self) -> MapStore {
//!         MapStore::default()
//!     }
//!
//!     async fn advance(&mut self, time: Duration) {
//!         tokio::time::advance(time).await;
//!     }
//! }
//!
//! // In a test file, write `#[tokio::test(start_paused = true)]`. A paused clock needs one thread.
//! // Test a store whose calls wait, or that uses threads, with `flavor = "multi_thread"`.
//! #[tokio::main(flavor = "current_thread", start_paused = true)]
//! async fn main() {
//!     StoreTest::new().run(&mut MapFixture).await;
//! }
//! ```
//!
//! A test that fails prints a shortened list of steps. For example, if `renew` did not set `end`:
//!
//! ```text
//! the store breaks the rules of `ClaimStore` (seed 0, run 4):
//!   1. claim(key 0, owner 0): Granted
//!   2. 35s pass
//!   3. renew(key 0, owner 0): Held
//!   4. 35s pass
//!   5. claim(key 0, owner 2): Granted
//! the rules allow: InFlight
//! ```

mod fixture;
mod model;
mod random;
mod step;
mod store_test;

pub use fixture::StoreFixture;
pub use store_test::StoreTest;
