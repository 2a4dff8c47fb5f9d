//! One connection to a server, with what `redis::aio::ConnectionManager` (redis 1.8) does not do:
//!
//! - It connects again after a `READONLY` reply. After a failover, the old address is that of a
//!   replica, and the name must be resolved again.
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
    AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, InfoDict, RedisError, RedisResult,
    ScriptInvocation, ServerErrorKind, aio::MultiplexedConnection,
};
use tokio::time::Instant;

use crate::telemetry;

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
    tried_at: Option<Instant>,
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
    ) -> RedisResult<T> {
        let open = self.open().await?;
        match open.call(call).await {
            Err(error) if needs_new_connection(&error) => {
                self.discard(&open).await;
                self.open().await?.call(call).await
            }
            result => result,
        }
    }

    async fn open(&self) -> RedisResult<OpenConnection> {
        let mut state = self.state.lock().await;
        match &state.open {
            Some(open) if open.is_silent() => state.open = None,
            Some(open) => return Ok(open.clone()),
            None => {}
        }
        if state.tried_at.is_some_and(|tried_at| tried_at.elapsed() < PAUSE) {
            return Err((ErrorKind::Io, "the connection failed just now").into());
        }
        state.tried_at = Some(Instant::now());
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let multiplexed = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        if !self.eviction_checked.load(Ordering::Relaxed) {
            tokio::spawn(check_eviction(multiplexed.clone(), Arc::clone(&self.eviction_checked)));
        }
        let open = OpenConnection { multiplexed, silent_since: Arc::default() };
        Ok(state.open.insert(open).clone())
    }

    /// Discards a failed connection, unless it has been replaced already.
    async fn discard(&self, failed: &OpenConnection) {
        let mut state = self.state.lock().await;
        let is_failed =
            |open: &OpenConnection| Arc::ptr_eq(&open.silent_since, &failed.silent_since);
        if state.open.as_ref().is_some_and(is_failed) {
            state.open = None;
        }
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

/// Whether an error is one of the connection, not a reply of the server to this call.
fn needs_new_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
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
