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

/// How long a connection may leave everything unanswered: a proxy that hangs keeps it open for ever.
const SILENCE: Duration = Duration::from_secs(10);
/// How soon after an attempt to connect the next one is made.
const PAUSE: Duration = Duration::from_millis(100);

/// One connection to a server, shared by all calls, and made anew when it fails.
pub(super) struct Link {
    client: Client,
    state: tokio::sync::Mutex<State>,
    eviction_checked: Arc<AtomicBool>,
}

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    tried: Option<Instant>,
}

#[derive(Clone)]
struct Connection {
    multiplexed: MultiplexedConnection,
    /// Since when calls have been waiting without any answer. It is also what tells one from another.
    silent_since: Arc<Mutex<Option<Instant>>>,
}

impl Link {
    pub(super) fn new(client: Client) -> Self {
        Self { client, state: tokio::sync::Mutex::default(), eviction_checked: Arc::default() }
    }

    /// Makes a call; once more on a new connection where it is the connection that failed, since each
    /// call may be repeated by its owner.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        call: &ScriptInvocation<'_>,
    ) -> RedisResult<T> {
        let connection = self.connection().await?;
        match connection.ask(call).await {
            Err(error) if is_of_the_connection(&error) => {
                self.give_up(&connection).await;
                self.connection().await?.ask(call).await
            }
            answer => answer,
        }
    }

    async fn connection(&self) -> RedisResult<Connection> {
        let mut state = self.state.lock().await;
        match &state.connection {
            Some(connection) if connection.is_silent() => state.connection = None,
            Some(connection) => return Ok(connection.clone()),
            None => {}
        }
        if state.tried.is_some_and(|tried| tried.elapsed() < PAUSE) {
            return Err((ErrorKind::Io, "the connection failed just now").into());
        }
        state.tried = Some(Instant::now());
        // Each call is under the store's deadline.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let made = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        if !self.eviction_checked.load(Ordering::Relaxed) {
            tokio::spawn(warn_of_eviction(made.clone(), Arc::clone(&self.eviction_checked)));
        }
        let connection = Connection { multiplexed: made, silent_since: Arc::default() };
        Ok(state.connection.insert(connection).clone())
    }

    /// Gives a connection up, unless another one has taken its place.
    async fn give_up(&self, failed: &Connection) {
        let mut state = self.state.lock().await;
        let is_failed = |now: &Connection| Arc::ptr_eq(&now.silent_since, &failed.silent_since);
        if state.connection.as_ref().is_some_and(is_failed) {
            state.connection = None;
        }
    }
}

impl Connection {
    async fn ask<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> RedisResult<T> {
        self.note_silence(|since| *since = since.or_else(|| Some(Instant::now())));
        let answer = call.invoke_async(&mut self.multiplexed.clone()).await;
        self.note_silence(|since| *since = None);
        answer
    }

    fn is_silent(&self) -> bool {
        let since = *self.silent_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= SILENCE)
    }

    fn note_silence(&self, note: impl FnOnce(&mut Option<Instant>)) {
        note(&mut self.silent_since.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Tells a connection that is of no more use from an answer that refuses.
fn is_of_the_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        // After a failover this is no longer the primary: its name is looked up again.
        || error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly)
}

async fn warn_of_eviction(mut connection: MultiplexedConnection, checked: Arc<AtomicBool>) {
    let info: RedisResult<InfoDict> =
        redis::cmd("INFO").arg("memory").query_async(&mut connection).await;
    let policy = info.ok().and_then(|info| info.get::<String>("maxmemory_policy"));
    match policy.as_deref() {
        Some("noeviction") => checked.store(true, Ordering::Relaxed),
        Some(policy) => {
            checked.store(true, Ordering::Relaxed);
            tracing::warn!(
                target: "agentmail",
                policy,
                "this Redis server may evict what was handled, and copies would be handled again: \
                 set maxmemory-policy to noeviction"
            );
        }
        None => tracing::debug!(target: "agentmail", "whether this Redis server evicts is unknown"),
    }
}
