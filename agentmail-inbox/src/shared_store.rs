use std::{sync::Arc, time::Duration};

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
};

/// A shared store is the same store.
impl<S: InboxStore> InboxStore for Arc<S> {
    const NAME: &str = S::NAME;

    async fn store(
        &self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Result<Stored, BoxError>>, BoxError> {
        S::store(self, messages).await
    }

    async fn take(&self, take: Take) -> Result<Vec<Taken>, BoxError> {
        S::take(self, take).await
    }

    async fn renew(
        &self,
        leases: Vec<Lease>,
        lease: Duration,
    ) -> Result<Vec<LeaseState>, BoxError> {
        S::renew(self, leases, lease).await
    }

    async fn finish(&self, finished: Vec<Finish>) -> Result<Vec<LeaseState>, BoxError> {
        S::finish(self, finished).await
    }

    async fn states(&self, keys: Vec<MessageKey>) -> Result<Vec<Option<State>>, BoxError> {
        S::states(self, keys).await
    }

    async fn counts(&self) -> Result<Counts, BoxError> {
        S::counts(self).await
    }

    async fn due(&self) -> Result<Option<u64>, BoxError> {
        S::due(self).await
    }

    async fn oldest_due(&self) -> Result<Option<Duration>, BoxError> {
        S::oldest_due(self).await
    }

    async fn list(&self, filter: Filter, page: Page) -> Result<Vec<Row>, BoxError> {
        S::list(self, filter, page).await
    }

    async fn show(&self, id: RowId) -> Result<Option<RowBody>, BoxError> {
        S::show(self, id).await
    }

    async fn redrive(&self, filter: Filter, by: String) -> Result<u64, BoxError> {
        S::redrive(self, filter, by).await
    }

    async fn give_up(&self, filter: Filter, reason: String) -> Result<u64, BoxError> {
        S::give_up(self, filter, reason).await
    }

    async fn prune(&self, pruning: Pruning) -> Result<u64, BoxError> {
        S::prune(self, pruning).await
    }

    async fn changed(&self) {
        S::changed(self).await;
    }
}
