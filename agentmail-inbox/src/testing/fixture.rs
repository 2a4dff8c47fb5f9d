use std::time::Duration;

use crate::{lease::RowId, store::InboxStore};

/// Creates the stores that a [`StoreTest`](super::StoreTest) tests, and lets time pass for them.
pub trait StoreFixture {
    /// The store that is tested.
    type Store: InboxStore;

    /// Returns an empty store. It may be the same one each time, emptied.
    fn empty_store(&mut self) -> impl Future<Output = Self::Store>;

    /// Ends the store as a crash does, and opens it again.
    ///
    /// `true`: all leases end then, after the delay that
    /// [`SqliteStore::open`](crate::SqliteStore::open) describes, because no other process can have
    /// one.
    fn reopen(&mut self, store: Self::Store) -> impl Future<Output = (Self::Store, bool)>;

    /// Lets this much time pass for the store.
    ///
    /// - A store with a [`ManualClock`](super::ManualClock): advance it.
    /// - A store that uses the clock of a server: subtract this time from each time in the table.
    ///   Ignore a time below a second, because time passes by itself.
    fn advance(&mut self, store: &Self::Store, time: Duration) -> impl Future<Output = ()>;

    /// Sets the clock of the store back.
    ///
    /// - A store with a [`ManualClock`](super::ManualClock): set it back.
    /// - A store that uses the clock of a server: add this time to each time in the table.
    ///
    /// `false`: the store does not notice, because its time does not depend on the time of day.
    fn set_clock_back(&mut self, store: &Self::Store, by: Duration) -> impl Future<Output = bool>;

    /// Damages the row of a message, so that it cannot be read any more. For example, its key has
    /// one byte.
    fn damage(&mut self, store: &Self::Store, id: RowId) -> impl Future<Output = ()>;
}
