use std::{error::Error, fmt, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use crate::{
    background::Background,
    error::StoreError,
    key::ClaimKey,
    owner::Owner,
    store::{BoxError, ClaimOutcome, LeaseState},
};

/// Why a store failed [`Claims::check`](crate::Claims::check).
///
/// `Display` and `Debug` show one sentence with the whole cause, for a `main` that returns this
/// error.
pub struct CheckError(StoreError);

impl CheckError {
    /// Returns the error of the call that failed.
    #[must_use]
    pub const fn store_error(&self) -> &StoreError {
        &self.0
    }
}

impl From<StoreError> for CheckError {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "messages cannot be claimed: {}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for CheckError {}

/// How many keys a check claims. One key is not enough: on a server of a cluster or behind a proxy,
/// some keys work and others do not.
const KEYS: usize = 16;

/// For how long a record of the check is kept if it cannot be removed: the shortest retention.
const RETENTION: Duration = Duration::from_secs(60);

/// Makes each call of a store with random keys.
pub(crate) async fn check(background: &Arc<Background>) -> Result<(), StoreError> {
    if !background.may_wait() {
        return check_key(background).await;
    }
    let mut checks = JoinSet::new();
    for _ in 0..KEYS {
        let background = Arc::clone(background);
        checks.spawn(async move { check_key(&background).await });
    }
    // Waits for all: one that is cancelled would not release its key.
    let mut outcome = Ok(());
    while let Some(check) = checks.join_next().await {
        outcome = outcome.and(check.unwrap_or_else(|panic| Err(StoreError::Failed(panic.into()))));
    }
    outcome
}

async fn check_key(background: &Background) -> Result<(), StoreError> {
    let (key, owner, lease) = (random_key(), Owner::random(), background.config().lease());

    let claimed = background.call(move |store| store.claim(key, owner, lease)).await?;
    let renewed = background.call(move |store| store.renew(key, owner, lease)).await;
    // Released even if the renewal failed.
    background.call(move |store| store.release(key, owner)).await?;
    if claimed != ClaimOutcome::Granted {
        return Err(failed("the store did not grant a new key"));
    }
    if renewed? != LeaseState::Held {
        return Err(failed("the store lost a claim at once"));
    }
    let completed = background.call(move |store| store.complete(key, owner, RETENTION)).await?;
    if completed != LeaseState::Held {
        return Err(failed("the store found another owner of a new key"));
    }
    if !background.call(move |store| store.forget(key)).await? {
        return Err(failed("the store lost a record at once"));
    }
    Ok(())
}

fn failed(text: &str) -> StoreError {
    StoreError::Failed(BoxError::from(text))
}

fn random_key() -> ClaimKey {
    let mut message = [0; 32];
    let (halves, _) = message.as_chunks_mut::<16>();
    halves.iter_mut().for_each(|half| *half = *Owner::random().as_bytes());
    ClaimKey::new("a check of the store", message)
}
