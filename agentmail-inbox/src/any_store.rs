use std::{pin::Pin, sync::Arc, time::Duration};

use agentmail_receive::MessageKey;
use tokio::time;

use crate::{
    error::InboxError,
    filter::Filter,
    lease::{Lease, LeaseState, RowId},
    new_message::NewMessage,
    outcome::Finish,
    row::{Row, RowBody},
    state::{Counts, State},
    store::{BoxError, InboxStore, Page, Pruning, Stored},
    take::{Take, Taken},
};

/// How long a call for a delivery, or for a worker, may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// How long an operator's call may take: it may read or write all messages.
const OPERATOR_DEADLINE: Duration = Duration::from_secs(600);

type Call<T> = Pin<Box<dyn Future<Output = Result<T, InboxError>> + Send>>;

/// An [`InboxStore`] whose type is erased, and whose calls have a deadline.
pub(crate) trait AnyStore: Send + Sync {
    fn store(self: Arc<Self>, message: NewMessage) -> Call<Stored>;
    fn take(self: Arc<Self>, take: Take) -> Call<Vec<Taken>>;
    fn renew(self: Arc<Self>, lease: Lease, length: Duration) -> Call<LeaseState>;
    fn finish(self: Arc<Self>, finished: Vec<Finish>) -> Call<Vec<LeaseState>>;
    fn states(self: Arc<Self>, keys: Vec<MessageKey>) -> Call<Vec<Option<State>>>;
    fn counts(self: Arc<Self>) -> Call<Counts>;
    fn due(self: Arc<Self>) -> Call<Option<u64>>;
    fn oldest_due(self: Arc<Self>) -> Call<Option<Duration>>;
    fn list(self: Arc<Self>, filter: Filter, page: Page) -> Call<Vec<Row>>;
    fn show(self: Arc<Self>, id: RowId) -> Call<Option<RowBody>>;
    fn redrive(self: Arc<Self>, filter: Filter, by: String) -> Call<u64>;
    fn give_up(self: Arc<Self>, filter: Filter, reason: String) -> Call<u64>;
    fn prune(self: Arc<Self>, pruning: Pruning) -> Call<u64>;
    fn changed(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

impl<S: InboxStore> AnyStore for S {
    fn store(self: Arc<Self>, message: NewMessage) -> Call<Stored> {
        Box::pin(async move {
            let stored = within(DEADLINE, S::store(&self, vec![message])).await?;
            let stored = stored.into_iter().next().ok_or_else(too_few)?;
            Ok(stored?)
        })
    }

    fn take(self: Arc<Self>, take: Take) -> Call<Vec<Taken>> {
        Box::pin(async move { within(DEADLINE, S::take(&self, take)).await })
    }

    fn renew(self: Arc<Self>, lease: Lease, length: Duration) -> Call<LeaseState> {
        Box::pin(async move {
            let renewed = within(DEADLINE, S::renew(&self, vec![lease], length)).await?;
            Ok(renewed.into_iter().next().ok_or_else(too_few)?)
        })
    }

    fn finish(self: Arc<Self>, finished: Vec<Finish>) -> Call<Vec<LeaseState>> {
        Box::pin(async move { within(DEADLINE, S::finish(&self, finished)).await })
    }

    fn states(self: Arc<Self>, keys: Vec<MessageKey>) -> Call<Vec<Option<State>>> {
        Box::pin(async move { within(OPERATOR_DEADLINE, S::states(&self, keys)).await })
    }

    fn counts(self: Arc<Self>) -> Call<Counts> {
        Box::pin(async move { within(OPERATOR_DEADLINE, S::counts(&self)).await })
    }

    fn due(self: Arc<Self>) -> Call<Option<u64>> {
        Box::pin(async move { within(OPERATOR_DEADLINE, S::due(&self)).await })
    }

    fn oldest_due(self: Arc<Self>) -> Call<Option<Duration>> {
        Box::pin(async move { within(OPERATOR_DEADLINE, S::oldest_due(&self)).await })
    }

    fn list(self: Arc<Self>, filter: Filter, page: Page) -> Call<Vec<Row>> {
        Box::pin(async move { within(OPERATOR_DEADLINE, S::list(&self, filter, page)).await })
    }

    fn show(self: Arc<Self>, id: RowId) -> Call<Option<RowBody>> {
        Box::pin(async move { within(OPERATOR_DEADLINE, S::show(&self, id)).await })
    }

    fn redrive(self: Arc<Self>, filter: Filter, by: String) -> Call<u64> {
        Box::pin(async move { within(OPERATOR_DEADLINE, S::redrive(&self, filter, by)).await })
    }

    fn give_up(self: Arc<Self>, filter: Filter, reason: String) -> Call<u64> {
        Box::pin(async move { within(OPERATOR_DEADLINE, S::give_up(&self, filter, reason)).await })
    }

    fn prune(self: Arc<Self>, pruning: Pruning) -> Call<u64> {
        Box::pin(async move { within(OPERATOR_DEADLINE, S::prune(&self, pruning)).await })
    }

    fn changed(self: Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move { S::changed(&self).await })
    }
}

async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, InboxError> {
    match time::timeout(deadline, call).await {
        Ok(result) => result.map_err(InboxError::Failed),
        Err(_) => Err(InboxError::Timeout { deadline }),
    }
}

fn too_few() -> BoxError {
    "the store returned fewer results than the batch has items".into()
}
