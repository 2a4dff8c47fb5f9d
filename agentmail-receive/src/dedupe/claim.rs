use std::{
    fmt,
    time::{Duration, Instant},
};

use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Claimed, Holding, Key, Owner, Store, StoreError, keeper::End};

/// A message that is being handled: a guard of its claim, which the store renews until it is ended.
///
/// A claim that is dropped, because the handler panicked say, frees its message; one that was to be
/// recorded is recorded then. Both happen on the store's own thread: a drop neither waits nor panics.
#[must_use = "a claim that is dropped frees its message"]
pub struct Claim {
    store: Store,
    key: Key,
    owner: Owner,
    state: State,
    retention: Duration,
    /// When its lease was last asked for.
    since: Instant,
    /// That it was lost was found out, and counted, while it was renewed.
    lost: bool,
    _tracked: TaskTrackerToken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be given back, in case it was granted after all.
    Asked,
    /// To be freed, unless it is handled first.
    Claimed,
    /// The handler has answered 2xx. From here on, the message may only be recorded, never freed.
    Handled,
    /// Nothing is left to do.
    Ended,
}

impl Claim {
    /// Asks for a message.
    pub(super) async fn ask(
        store: &Store,
        key: Key,
        retention: Duration,
    ) -> Result<(Claimed, Self), StoreError> {
        let keeper = store.keeper()?;
        // Made before it is granted: one whose outcome is never known is given back by its drop.
        let mut claim = Self::new(store, key, retention, State::Asked);
        let lease = store.settings().lease();
        let granted = store.call(store.backend().claim(key, claim.owner, lease)).await?;
        match granted {
            // A handler that blocks this thread may have held this task up.
            Claimed::Now if claim.since.elapsed() >= lease / 2 => return Err(StoreError::Expired),
            Claimed::Now => {
                claim.state = State::Claimed;
                keeper.hold(key, claim.owner, claim.since);
            }
            Claimed::AlreadyHandled | Claimed::InFlight => claim.state = State::Ended,
        }
        Ok((granted, claim))
    }

    /// A claim to nothing.
    pub(super) fn none(store: &Store, key: Key) -> Self {
        Self::new(store, key, Duration::ZERO, State::Ended)
    }

    fn new(store: &Store, key: Key, retention: Duration, state: State) -> Self {
        Self {
            store: store.clone(),
            key,
            owner: Owner::random(),
            state,
            retention,
            since: Instant::now(),
            lost: false,
            _tracked: store.tracker().token(),
        }
    }

    /// Returns what the message is known by in the store.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }

    /// Ends the claim: records the message as handled after an answer of 2xx, frees it after anything
    /// else.
    ///
    /// It returns once the store has answered, or has failed to within the deadline. Then the background goes on
    /// trying until the lease ends, and the handler's answer stands.
    pub async fn end(mut self, succeeded: bool) {
        if self.state == State::Claimed {
            self.let_go();
            if succeeded { self.complete().await } else { self.release().await }
        }
    }

    /// Has the claim renewed no longer: what is renewed while it is freed would look lost.
    fn let_go(&mut self) {
        let Some(keeper) = self.store.running_keeper() else { return };
        match keeper.let_go(self.owner) {
            Some(renewed) => self.since = renewed,
            None => self.lost = true,
        }
    }

    async fn complete(&mut self) {
        self.state = State::Handled;
        let backend = self.store.backend();
        match self.store.call(backend.complete(self.key, self.owner, self.retention)).await {
            Ok(Holding::Held) => {
                self.state = State::Ended;
                self.store.counters().note(|counts| counts.completed += 1);
            }
            Ok(Holding::Lost) if self.lost => self.state = State::Ended,
            Ok(Holding::Lost) => {
                self.state = State::Ended;
                self.store.counters().note(|counts| counts.lost += 1);
                tracing::warn!(
                    target: "agentmail",
                    key = %self.key,
                    "a handler outlived its claim, and another one has the message"
                );
            }
            Err(error) => {
                self.store.counters().note(|counts| counts.completions_deferred += 1);
                log(&error, "a handled message is not recorded yet");
            }
        }
    }

    async fn release(&mut self) {
        let backend = self.store.backend();
        match self.store.call(backend.release(self.key, self.owner)).await {
            Ok(()) => {
                self.state = State::Ended;
                self.store.counters().note(|counts| counts.released += 1);
            }
            Err(error) => log(&error, "a message is not freed yet"),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let handled = match self.state {
            State::Asked | State::Claimed => None,
            State::Handled => Some(self.retention),
            State::Ended => return,
        };
        let granted = self.state != State::Asked;
        if self.state == State::Claimed {
            self.let_go();
        }
        if let Some(keeper) = self.store.running_keeper() {
            keeper.end(End {
                key: self.key,
                owner: self.owner,
                handled,
                until: self.since + self.store.settings().lease(),
                tracked: granted.then(|| self.store.tracker().token()),
                lost: self.lost,
            });
        }
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Logs why a store did not answer; the log is the only place that tells.
pub(super) fn log(error: &StoreError, message: &'static str) {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::warn!(target: "agentmail", %error, source, "{message}");
}
