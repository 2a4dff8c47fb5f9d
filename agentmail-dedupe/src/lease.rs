use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::{
    background::{Background, End, EndRequest},
    error::{ClaimError, StoreError},
    key::ClaimKey,
    observer::StoreOp,
    owner::Owner,
    store::{AnyStore, ClaimOutcome, LeaseState},
    telemetry::Span,
};

/// A lease from its request to its end. Dropping it ends it in the background.
pub(crate) struct Lease {
    background: Arc<Background>,
    key: ClaimKey,
    owner: Owner,
    retention: Duration,
    stage: Stage,
    /// When it was last requested or renewed.
    renewed_at: Instant,
    /// A renewal has found that the claim is lost, and has counted it.
    loss_counted: bool,
    /// A failed attempt to complete it is counted already.
    failure_counted: bool,
    /// Keeps [`Claims::drain`](crate::Claims::drain) waiting.
    token: TaskTrackerToken,
}

#[derive(Clone, Copy)]
enum Stage {
    /// The outcome of the request is not known.
    Requested,
    /// The handler is running, and the lease is renewed.
    Renewed,
    /// The handler has failed. The message is to be released.
    Failed,
    /// The handler has succeeded. The message is to be recorded, and must never be released.
    Succeeded,
    /// Nothing is left to do.
    Ended,
}

impl Lease {
    /// Requests a lease from the store.
    pub(crate) async fn request(
        background: &Arc<Background>,
        key: ClaimKey,
        retention: Duration,
        token: TaskTrackerToken,
    ) -> Result<Self, ClaimError> {
        // Created before the request: dropping it releases a claim whose outcome is not known.
        let mut lease = Self {
            background: Arc::clone(background),
            key,
            owner: Owner::random(),
            retention,
            stage: Stage::Requested,
            renewed_at: Instant::now(),
            loss_counted: false,
            failure_counted: false,
            token,
        };
        let (owner, duration) = (lease.owner, background.config().lease());
        let claim = move |store: Arc<dyn AnyStore>| store.claim(key, owner, duration);
        match background.observed(StoreOp::Claim, claim).await? {
            // A handler that blocks this thread may have delayed this task.
            ClaimOutcome::Granted if lease.renewed_at.elapsed() >= duration / 2 => {
                Err(StoreError::LeaseExpired.into())
            }
            ClaimOutcome::Granted => {
                lease.stage = Stage::Renewed;
                background.start_renewing(key, lease.owner, lease.renewed_at);
                Ok(lease)
            }
            ClaimOutcome::AlreadyHandled => {
                lease.stage = Stage::Ended;
                Err(ClaimError::AlreadyHandled)
            }
            ClaimOutcome::InFlight => {
                lease.stage = Stage::Ended;
                Err(ClaimError::InFlight)
            }
        }
    }

    /// Records the message as handled.
    pub(crate) async fn complete(&mut self) {
        self.stop_renewing();
        self.stage = Stage::Succeeded;
        let (key, owner, retention) = (self.key, self.owner, self.retention);
        let complete = move |store: Arc<dyn AnyStore>| store.complete(key, owner, retention);
        let telemetry = self.background.telemetry();
        match self.background.observed(StoreOp::Complete, complete).await {
            Ok(LeaseState::Held) => telemetry.completed(),
            Ok(LeaseState::Lost) if self.loss_counted => {}
            Ok(LeaseState::Lost) => telemetry.lost_at_completion(self.key),
            Err(error) => {
                telemetry.completion_deferred(self.key, &error);
                self.failure_counted = true;
                return;
            }
        }
        self.stage = Stage::Ended;
    }

    /// Records the message as handled. If the store may have to wait, dropping the lease does it.
    pub(crate) async fn complete_in_background(&mut self) {
        if !self.background.may_wait() {
            return self.complete().await;
        }
        self.stop_renewing();
        self.stage = Stage::Succeeded;
    }

    /// Releases the message.
    pub(crate) async fn release(&mut self) {
        self.stop_renewing();
        self.stage = Stage::Failed;
        let (key, owner) = (self.key, self.owner);
        let release = move |store: Arc<dyn AnyStore>| store.release(key, owner);
        let telemetry = self.background.telemetry();
        match self.background.observed(StoreOp::Release, release).await {
            Ok(()) => telemetry.released(),
            Err(error) => return telemetry.release_deferred(self.key, &error),
        }
        self.stage = Stage::Ended;
    }

    /// Stops the renewal first: a renewal during the end would find the claim lost.
    fn stop_renewing(&mut self) {
        match self.background.stop_renewing(self.owner) {
            Some(renewed_at) => self.renewed_at = renewed_at,
            None => self.loss_counted = true,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Stage::Renewed = self.stage {
            self.stop_renewing();
        }
        let end = match self.stage {
            Stage::Requested => End::ReleaseUnconfirmed,
            Stage::Renewed | Stage::Failed => End::Release { token: self.token.clone() },
            Stage::Succeeded => End::Complete {
                retention: self.retention,
                loss_counted: self.loss_counted,
                failure_counted: self.failure_counted,
                token: self.token.clone(),
            },
            Stage::Ended => return,
        };
        self.background.end(EndRequest {
            key: self.key,
            owner: self.owner,
            lease_end: self.renewed_at + self.background.config().lease(),
            end,
            span: Span::current(),
        });
    }
}
