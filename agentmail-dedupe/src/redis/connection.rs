//! One connection to a server, with what `redis::aio::ConnectionManager` (redis 1.8) does not do:
//!
//! - It connects again after a `READONLY` reply. After a failover, the old address is that of a
//!   replica, and the name must be resolved again.
//! - While there is no connection, each call reports the cause of the last failure.
//! - It connects again when the server has sent nothing for 10 seconds. Behind a proxy that hangs,
//!   a connection stays open forever.
//! - It repeats the failed call on the new connection. Each call of a
//!   [`ClaimStore`](crate::ClaimStore) may be repeated.
//!
//! The deadline of a call is that of [`Claims`](crate::Claims), which applies to any store. It
//! drops the call, so a `response_timeout` of the connection would either never fire, or fail a
//! call that still has time.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, FromRedisValue, InfoDict, RedisError, RedisResult,
    ScriptInvocation, aio::MultiplexedConnection,
};
use tokio::time::Instant;

use crate::{
    redis::error::{RedisCallError, RedisErrorKind},
    telemetry,
};

/// How long the server may send nothing while calls wait.
const MAX_SILENCE: Duration = Duration::from_secs(10);
/// The time between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that all calls share, and that is replaced when it fails.
pub(super) struct Connection {
    client: Client,
    state: tokio::sync::Mutex<State>,
    eviction_checked: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    open: Option<OpenConnection>,
    /// When the last attempt to connect began, or failed.
    tried_at: Option<Instant>,
    /// Why there is no connection: the cause that calls report until the next attempt.
    failure: Option<RedisCallError>,
}

#[derive(Clone)]
struct OpenConnection {
    multiplexed: MultiplexedConnection,
    /// Since when calls have been waiting without any reply. The pointer identifies the connection.
    silent_since: Arc<Mutex<Option<Instant>>>,
}

impl Connection {
    pub(super) fn new(client: Client) -> Self {
        Self { client, state: tokio::sync::Mutex::default(), eviction_checked: Arc::default() }
    }

    /// Makes a call. If the connection fails, the call is repeated once on a new one.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, RedisCallError> {
        let open = self.open().await?;
        match open.call(call).await.map_err(|error| self.error(&error)) {
            Err(error) if needs_new_connection(&error) => {
                self.discard(&open, error).await;
                self.open().await?.call(call).await.map_err(|error| self.error(&error))
            }
            result => result,
        }
    }

    async fn open(&self) -> Result<OpenConnection, RedisCallError> {
        let mut state = self.state.lock().await;
        match &state.open {
            Some(open) if open.is_silent() => state.open = None,
            Some(open) => return Ok(open.clone()),
            None => {}
        }
        if let Some(failure) = &state.failure
            && state.tried_at.is_some_and(|tried_at| tried_at.elapsed() < PAUSE)
        {
            return Err(failure.clone());
        }
        state.tried_at = Some(Instant::now());
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connected = self.client.get_multiplexed_async_connection_with_config(&config).await;
        let multiplexed = match connected {
            Ok(multiplexed) => multiplexed,
            Err(error) => {
                state.tried_at = Some(Instant::now());
                return Err(state.failure.insert(self.error(&error)).clone());
            }
        };
        if !self.eviction_checked.load(Ordering::Relaxed) {
            tokio::spawn(check_eviction(multiplexed.clone(), Arc::clone(&self.eviction_checked)));
        }
        state.failure = None;
        let open = OpenConnection { multiplexed, silent_since: Arc::default() };
        Ok(state.open.insert(open).clone())
    }

    /// Discards a failed connection, unless it has been replaced already.
    async fn discard(&self, failed: &OpenConnection, error: RedisCallError) {
        let mut state = self.state.lock().await;
        let is_failed =
            |open: &OpenConnection| Arc::ptr_eq(&open.silent_since, &failed.silent_since);
        if state.open.as_ref().is_some_and(is_failed) {
            state.open = None;
            state.failure = Some(error);
        }
    }

    fn error(&self, error: &RedisError) -> RedisCallError {
        RedisCallError::new(error, self.client.get_connection_info().redis_settings().password())
    }
}

impl OpenConnection {
    async fn call<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> RedisResult<T> {
        self.set_silence(|since| since.or_else(|| Some(Instant::now())));
        let result = call.invoke_async(&mut self.multiplexed.clone()).await;
        self.set_silence(|_| None);
        result
    }

    fn is_silent(&self) -> bool {
        let since = *self.silent_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= MAX_SILENCE)
    }

    fn set_silence(&self, change: impl FnOnce(Option<Instant>) -> Option<Instant>) {
        let mut since = self.silent_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = change(*since);
    }
}

/// Whether another connection may help.
fn needs_new_connection(error: &RedisCallError) -> bool {
    use RedisErrorKind::{MalformedResponse, Replica, Unreachable};

    matches!(error.kind(), Unreachable | MalformedResponse | Replica)
}

async fn check_eviction(mut connection: MultiplexedConnection, checked: Arc<AtomicBool>) {
    let info: RedisResult<InfoDict> =
        redis::cmd("INFO").arg("memory").query_async(&mut connection).await;
    let policy = info.ok().and_then(|info| info.get::<String>("maxmemory_policy"));
    match policy.as_deref() {
        Some("noeviction") => checked.store(true, Ordering::Relaxed),
        Some(policy) => {
            checked.store(true, Ordering::Relaxed);
            telemetry::redis_may_evict(policy);
        }
        None => telemetry::redis_eviction_unknown(),
    }
}

#[cfg(test)]
mod tests {
    use redis::Script;

    use super::*;

    #[tokio::test]
    async fn each_call_without_a_connection_has_the_real_cause() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let connection = Connection::new(Client::open(format!("redis://{closed}")).unwrap());
        let script = Script::new("return 1");

        for _ in 0..3 {
            let error = connection.call::<u8>(&script.prepare_invoke()).await.unwrap_err();
            assert_eq!(error.kind(), RedisErrorKind::Unreachable);
            let text = error.to_string();
            assert!(text.contains("cannot be reached: Connection refused"), "{text}");
        }
    }
}
