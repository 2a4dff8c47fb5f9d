use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

use crate::redis::error::RedisCallError;

/// The time between two attempts to connect.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// A connection that all calls share, and that is replaced when it fails.
pub(super) struct Shared<C>(Mutex<State<C>>);

struct State<C> {
    open: Option<Open<C>>,
    opened: u64,
    /// When the last attempt to connect began, or failed.
    tried_at: Option<Instant>,
    /// Why there is no connection: the cause that calls report until the next attempt.
    failure: Option<RedisCallError>,
}

/// An open connection, and its number.
#[derive(Clone)]
pub(super) struct Open<C> {
    pub(super) connection: C,
    pub(super) number: u64,
}

impl<C: Clone> Shared<C> {
    /// Returns the connection. Connects if there is none, and if the last attempt was not just now.
    pub(super) async fn open<F>(
        &self,
        connect: impl FnOnce() -> F,
    ) -> Result<Open<C>, RedisCallError>
    where
        F: Future<Output = Result<C, RedisCallError>>,
    {
        let mut state = self.0.lock().await;
        if let Some(open) = &state.open {
            return Ok(open.clone());
        }
        if let Some(failure) = &state.failure
            && state.tried_at.is_some_and(|tried_at| tried_at.elapsed() < PAUSE)
        {
            return Err(failure.clone());
        }
        state.tried_at = Some(Instant::now());
        // Boxed, because it is large, and most calls do not connect.
        match Box::pin(connect()).await {
            Ok(connection) => {
                state.failure = None;
                state.opened = state.opened.wrapping_add(1);
                let open = Open { connection, number: state.opened };
                Ok(state.open.insert(open).clone())
            }
            Err(error) => {
                state.tried_at = Some(Instant::now());
                Err(state.failure.insert(error).clone())
            }
        }
    }

    /// Discards the failed connection of this number, unless it has been replaced already.
    pub(super) async fn discard(&self, number: u64, error: &RedisCallError) {
        let mut state = self.0.lock().await;
        if state.open.as_ref().is_some_and(|open| open.number == number) {
            state.open = None;
            state.failure = Some(error.clone());
        }
    }
}

impl<C> Default for Shared<C> {
    fn default() -> Self {
        Self(Mutex::new(State { open: None, opened: 0, tried_at: None, failure: None }))
    }
}
