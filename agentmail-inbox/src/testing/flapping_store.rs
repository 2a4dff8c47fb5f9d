use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use agentmail_receive::MessageKey;

use crate::{
    filter::Filter,
    lease::{Lease, LeaseState, RowId},
    new_message::NewMessage,
    outcome::Finish,
    row::{Row, RowBody},
    state::{Counts, State},
    store::{BoxError, InboxStore, Page, Pruning, Stored},
    take::{Take, Taken},
    testing::random::Random,
};

/// A store whose server comes and goes: one call in five fails before it is carried out, and one
/// in five is carried out, but its result is lost.
///
/// Only the calls of deliveries and workers fail, not those of operators.
#[derive(Debug)]
pub struct FlappingStore<S> {
    store: S,
    random: Mutex<Random>,
}

/// What happens to a call.
enum Fate {
    Works,
    Fails,
    ResultIsLost,
}

impl<S: InboxStore> FlappingStore<S> {
    /// Creates it over a store that works. The seed decides which calls fail.
    pub const fn new(store: S, seed: u64) -> Self {
        Self { store, random: Mutex::new(Random::new(seed)) }
    }

    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, BoxError>>,
    ) -> Result<T, BoxError> {
        let fate = match self.random.lock().unwrap_or_else(PoisonError::into_inner).below(5) {
            0 => Fate::Fails,
            1 => Fate::ResultIsLost,
            _ => Fate::Works,
        };
        match fate {
            Fate::Works => call.await,
            Fate::Fails => Err("the server is down".into()),
            Fate::ResultIsLost => {
                call.await?;
                Err("the connection was lost before the response".into())
            }
        }
    }
}

impl<S: InboxStore> InboxStore for FlappingStore<S> {
    async fn store(
        &self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Result<Stored, BoxError>>, BoxError> {
        self.call(self.store.store(messages)).await
    }

    async fn take(&self, take: Take) -> Result<Vec<Taken>, BoxError> {
        self.call(self.store.take(take)).await
    }

    async fn renew(
        &self,
        leases: Vec<Lease>,
        lease: Duration,
    ) -> Result<Vec<LeaseState>, BoxError> {
        self.call(self.store.renew(leases, lease)).await
    }

    async fn finish(&self, finished: Vec<Finish>) -> Result<Vec<LeaseState>, BoxError> {
        self.call(self.store.finish(finished)).await
    }

    async fn states(&self, keys: Vec<MessageKey>) -> Result<Vec<Option<State>>, BoxError> {
        self.store.states(keys).await
    }

    async fn counts(&self) -> Result<Counts, BoxError> {
        self.store.counts().await
    }

    async fn oldest_due(&self) -> Result<Option<Duration>, BoxError> {
        self.store.oldest_due().await
    }

    async fn list(&self, filter: Filter, page: Page) -> Result<Vec<Row>, BoxError> {
        self.store.list(filter, page).await
    }

    async fn show(&self, id: RowId) -> Result<Option<RowBody>, BoxError> {
        self.store.show(id).await
    }

    async fn redrive(&self, filter: Filter, by: String) -> Result<u64, BoxError> {
        self.store.redrive(filter, by).await
    }

    async fn give_up(&self, filter: Filter, reason: String) -> Result<u64, BoxError> {
        self.store.give_up(filter, reason).await
    }

    async fn prune(&self, pruning: Pruning) -> Result<u64, BoxError> {
        self.store.prune(pruning).await
    }

    async fn changed(&self) {
        self.store.changed().await;
    }
}
