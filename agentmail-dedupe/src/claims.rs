use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::{
    background::Background,
    check::{self, CheckError},
    claim::Claim,
    config::ClaimsConfig,
    error::{ClaimError, StoreError},
    key::ClaimKey,
    lease::Lease,
    store::{AnyStore, ClaimStore},
    telemetry::{DedupeStats, Instrument, Span, Telemetry},
};

/// A handle that claims messages in a [`ClaimStore`], and renews the claims on a thread of its own.
///
/// A clone is a handle to the same claims, the same thread and the same counters. Create *one* for
/// the process, before the server starts: not one for each worker or request.
///
/// ```
/// use std::time::Duration;
///
/// # use agentmail_dedupe::{ClaimError, ClaimKey, Claims, MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ClaimError> {
/// let claims = Claims::new(MemoryStore::new());
/// let key = ClaimKey::new("production", [7; 32]);
/// let fresh_for = Duration::from_secs(600);
///
/// let claim = claims.claim(key, fresh_for).await?;
/// // … handle the message here …
/// claim.complete().await;
///
/// let copy = claims.claim(key, fresh_for).await;
/// assert!(matches!(copy, Err(ClaimError::AlreadyHandled)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Claims {
    shared: Arc<Shared>,
}

impl Claims {
    /// Keeps claims in this store, with the [default settings](ClaimsConfig#defaults).
    pub fn new(store: impl ClaimStore) -> Self {
        Self::with_config(store, ClaimsConfig::default())
    }

    /// Keeps claims in this store, with these settings.
    pub fn with_config(store: impl ClaimStore, config: ClaimsConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                store: Arc::new(store),
                telemetry: Arc::new(Telemetry::new(config.observers().clone())),
                config,
                tracker: TaskTracker::new(),
                background: OnceLock::new(),
            }),
        }
    }

    /// Checks that messages can be claimed: call this when the process starts.
    ///
    /// It makes each call of the store with random keys, and leaves nothing behind. It finds, for
    /// example, a server that is down, a wrong password, a missing permission, a cluster, a replica
    /// and a server that is too old. A [`MemoryStore`](crate::MemoryStore) passes, unless it is
    /// full. Each call has the [deadline](ClaimsConfig::deadline). Nothing is counted in
    /// [`stats`](Self::stats).
    ///
    /// If the check fails, you decide whether the process starts. If it starts, messages are
    /// refused until the store works. The check need not be repeated.
    ///
    /// # Errors
    ///
    /// A message could not be claimed at this moment. The error names the cause.
    ///
    /// # Example: a process that does not start without its store
    ///
    /// ```
    /// # use agentmail_dedupe::{CheckError, Claims, MemoryStore};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), CheckError> {
    /// let claims = Claims::new(MemoryStore::new()); // or `RedisStore::new(url)?`
    /// claims.check().await?;
    /// // … serve …
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check(&self) -> Result<(), CheckError> {
        check::check(self.background()?).await?;
        self.shared.telemetry.store_works();
        Ok(())
    }

    /// Claims a message before its handler runs.
    ///
    /// `fresh_for` is the time in which a copy of the message can still arrive. After
    /// [`complete`](Claim::complete), the message is remembered for that time and a minute, or for
    /// the [retention](ClaimsConfig::retention) if that is longer.
    ///
    /// If the caller's task is cancelled when a client disconnects, continue the handler and the
    /// end of the claim in another task.
    ///
    /// # Errors
    ///
    /// - [`AlreadyHandled`](ClaimError::AlreadyHandled): the message was already handled.
    /// - [`InFlight`](ClaimError::InFlight): another attempt is handling it.
    /// - [`Unavailable`](ClaimError::Unavailable): the store failed or did not respond. With
    ///   [`danger_handle_unclaimed`](ClaimsConfig::danger_handle_unclaimed), the result is instead
    ///   a claim that is not in the store. If the store granted the claim too late
    ///   ([`LeaseExpired`](StoreError::LeaseExpired)), the result is always this error.
    pub async fn claim(&self, key: ClaimKey, fresh_for: Duration) -> Result<Claim, ClaimError> {
        let span = Telemetry::span(key);
        self.claim_in(&span, key, fresh_for).instrument(span.clone()).await
    }

    /// Forgets that a message was handled, so that its next copy is handled again: for example
    /// after a bug in the handler.
    ///
    /// Returns whether the message was recorded as handled. A message that is being handled is not
    /// changed.
    ///
    /// # Errors
    ///
    /// The store did not respond.
    pub async fn forget(&self, key: ClaimKey) -> Result<bool, StoreError> {
        self.background()?.call(move |store| store.forget(key)).await
    }

    /// Waits until every claim has ended and every handled message is recorded. Call this before
    /// the process ends, after the server has stopped accepting requests.
    ///
    /// It also waits for a handler whose client has disconnected. Set a time limit that is shorter
    /// than that of your supervisor. If the process ends while a message is claimed, the message is
    /// released when the lease ends.
    pub async fn drain(&self) {
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
    }

    /// Returns a copy of the counters.
    #[must_use]
    pub fn stats(&self) -> DedupeStats {
        self.shared.telemetry.stats()
    }

    /// Returns the settings.
    pub fn config(&self) -> &ClaimsConfig {
        &self.shared.config
    }

    async fn claim_in(
        &self,
        span: &Span,
        key: ClaimKey,
        fresh_for: Duration,
    ) -> Result<Claim, ClaimError> {
        let token = self.shared.tracker.token();
        let telemetry = &self.shared.telemetry;
        match self.lease(key, fresh_for, token.clone()).await {
            Ok(lease) => {
                telemetry.claimed(span);
                Ok(Claim::new(key, Some(lease), token))
            }
            Err(ClaimError::Unavailable(error)) if self.handles_unclaimed_after(&error) => {
                telemetry.unclaimed(span, key, &error);
                Ok(Claim::new(key, None, token))
            }
            Err(error) => {
                telemetry.refused(span, key, &error);
                Err(error)
            }
        }
    }

    async fn lease(
        &self,
        key: ClaimKey,
        fresh_for: Duration,
        token: TaskTrackerToken,
    ) -> Result<Lease, ClaimError> {
        let retention = self.shared.config.retention_for(fresh_for);
        Lease::request(self.background()?, key, retention, token).await
    }

    fn handles_unclaimed_after(&self, error: &StoreError) -> bool {
        // Another attempt may have had a claim that was granted too late.
        self.shared.config.handles_unclaimed() && !matches!(error, StoreError::LeaseExpired)
    }

    /// Returns the background thread. The first call starts it.
    fn background(&self) -> Result<&Arc<Background>, StoreError> {
        let shared = &self.shared;
        if let Some(background) = shared.background.get() {
            return Ok(background);
        }
        let (store, telemetry) = (Arc::clone(&shared.store), Arc::clone(&shared.telemetry));
        let background = Background::start(store, shared.config.clone(), telemetry)
            .map_err(StoreError::Thread)?;
        // Of two that start at once, the second stops at once.
        Ok(shared.background.get_or_init(|| Arc::new(background)))
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims")
            .field("config", &self.shared.config)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// The parts of a handle that its clones share.
struct Shared {
    store: Arc<dyn AnyStore>,
    config: ClaimsConfig,
    telemetry: Arc<Telemetry>,
    tracker: TaskTracker,
    background: OnceLock<Arc<Background>>,
}
