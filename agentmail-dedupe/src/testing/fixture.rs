use std::time::Duration;

use crate::store::ClaimStore;

/// Creates the stores that a [`StoreTest`](super::StoreTest) tests, and lets time pass for them.
pub trait StoreFixture {
    /// The store that is tested.
    type Store: ClaimStore;

    /// Returns an empty store. It may be the same one each time, emptied.
    fn empty_store(&mut self) -> impl Future<Output = Self::Store>;

    /// Lets this much time pass for the store that was returned last.
    ///
    /// - A store that uses tokio's clock: call `tokio::time::advance` in a test with a paused
    ///   clock.
    /// - A store that uses the clock of a server: subtract this time from the end of each entry.
    /// - Otherwise: sleep, and set a short [lease](super::StoreTest::with_lease).
    fn advance(&mut self, time: Duration) -> impl Future<Output = ()>;
}
