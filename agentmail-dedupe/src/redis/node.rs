use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};

#[cfg(feature = "redis-cluster")]
use crate::redis::{cluster::MAX_SILENCE, timeouts};
use crate::redis::{
    silence::Silence,
    wait::{WaitQueue, silent},
};

/// A connection to one server, which fails when the server has sent nothing for a while.
#[derive(Clone)]
pub(super) struct Node {
    multiplexed: MultiplexedConnection,
    silence: Silence,
    waits: Arc<OnceLock<WaitQueue>>,
}

impl Node {
    /// Connects to a server. `max_silence` is how long it may send nothing while calls wait.
    pub(super) async fn connect(client: &Client, max_silence: Duration) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connected = client.get_multiplexed_async_connection_with_config(&config).await;
        Ok(Self::new(connected?, max_silence))
    }

    fn new(multiplexed: MultiplexedConnection, max_silence: Duration) -> Self {
        Self { multiplexed, silence: Silence::new(max_silence), waits: Arc::default() }
    }
}

impl ConnectionLike for Node {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async {
            let reply = pin!(self.multiplexed.send_packed_command(command));
            self.silence.watch(reply, |_| true).await.unwrap_or_else(|| Err(silent(&self.silence)))
        })
    }

    /// The only pipelines are those of a call and a `WAIT`.
    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        _offset: usize,
        _count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async {
            let start = || WaitQueue::start(self.multiplexed.clone(), self.silence.clone());
            self.waits.get_or_init(start).send(pipeline).await
        })
    }

    fn get_db(&self) -> i64 {
        self.multiplexed.get_db()
    }
}

/// For the nodes of a cluster, to which the client connects.
#[cfg(feature = "redis-cluster")]
impl redis::cluster_async::Connect for Node {
    fn connect_with_config<'a, T>(info: T, config: AsyncConnectionConfig) -> RedisFuture<'a, Self>
    where
        T: redis::IntoConnectionInfo + Send + 'a,
    {
        Box::pin(async {
            let info = info.into_connection_info()?;
            let address = info.addr().clone();
            let connect = MultiplexedConnection::connect_with_config(info, config);
            let connected = timeouts::connect(address, connect).await?;
            Ok(Self::new(connected, MAX_SILENCE))
        })
    }
}
