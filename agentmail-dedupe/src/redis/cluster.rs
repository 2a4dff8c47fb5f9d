//! The connection to a cluster.
//!
//! `redis::cluster_async::ClusterConnection` (redis 1.8) finds the primary of a key, follows moved
//! slots, and connects again to a node whose connection breaks. The store does this itself, because
//! the client does not do it:
//!
//! - A node that sends nothing fails. The client would use its connection further, also when
//!   another node has become the primary. [`Node`] does this.
//! - The client is replaced when no call has succeeded for a while. If all nodes have new
//!   addresses, it would only try the old ones.
//! - A call that has failed is repeated: see [`Connection`](crate::redis::connection::Connection).
//! - A call that waits for replicas does so at the node of its key. [`Node`] does this.

use std::{pin::pin, time::Duration};

use redis::{
    Client, ConnectionInfo, FromRedisValue, RedisError,
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
    cluster_routing::{RoutingInfo, SingleNodeRoutingInfo},
};

use crate::redis::{
    error::{Peer, RedisCallError, RedisErrorKind},
    eviction::EvictionCheck,
    node::Node,
    script::{Call, Reply},
    server::client,
    shared::{Open, Shared},
    silence::Silence,
    store_error::RedisStoreError,
};

pub(super) struct Cluster {
    client: ClusterClient,
    nodes: Vec<Client>,
    shared: Shared<ClusterNodes>,
    eviction: EvictionCheck,
}

#[derive(Clone)]
struct ClusterNodes {
    connection: ClusterConnection<Node>,
    /// For how long no call has succeeded.
    silence: Silence,
}

/// How long a node may send nothing while calls wait. Another node may be the primary now.
pub(super) const MAX_SILENCE: Duration = Duration::from_secs(1);
/// How long all calls may fail.
const MAX_FAILURE: Duration = Duration::from_secs(3);
/// How long connecting to a node may take. Meanwhile, the client makes no calls.
const MAX_CONNECT: Duration = Duration::from_millis(500);

impl Cluster {
    pub(super) fn new(infos: Vec<ConnectionInfo>) -> Result<Self, RedisStoreError> {
        let nodes = infos.iter().cloned().map(client).collect::<Result<_, _>>()?;
        let tcp = infos.first().map(|info| info.tcp_settings().clone()).unwrap_or_default();
        // The client repeats calls after a redirection. Without these limits, it would pause for
        // more than a second.
        let client = ClusterClientBuilder::new(infos)
            .tcp_settings(tcp)
            .connection_timeout(MAX_CONNECT)
            .retries(4)
            .min_retry_wait(20)
            .max_retry_wait(100)
            .build()
            .map_err(|_| RedisStoreError::Malformed)?;
        Ok(Self { client, nodes, shared: Shared::default(), eviction: EvictionCheck::default() })
    }

    pub(super) async fn attempt<T: FromRedisValue>(
        &self,
        call: &Call<'_>,
    ) -> Result<Reply<T>, RedisCallError> {
        let open = self.shared.open(|| self.connect()).await?;
        let ClusterNodes { mut connection, silence } = open.connection.clone();
        let result = silence.watch(pin!(call.run(&mut connection)), is_reply).await;
        match result {
            Some(Ok(reply)) => Ok(reply),
            Some(Err(error)) => Err(self.failed(&open, self.error(&error)).await),
            None => Err(self.failed(&open, RedisCallError::timed_out(Peer::Cluster)).await),
        }
    }

    /// Discards the client if no call has succeeded for a while.
    async fn failed(&self, open: &Open<ClusterNodes>, error: RedisCallError) -> RedisCallError {
        if open.connection.silence.is_over() {
            self.shared.discard(open.number, &error).await;
        }
        error
    }

    async fn connect(&self) -> Result<ClusterNodes, RedisCallError> {
        match self.client.get_async_generic_connection().await {
            Ok(connection) => {
                let connection: ClusterConnection<Node> = connection;
                let mut of_check = connection.clone();
                // To one node: without a route, it would go to all.
                let route = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
                self.eviction
                    .start(|info| async move { of_check.route_command(info, route).await });
                Ok(ClusterNodes { connection, silence: Silence::new(MAX_FAILURE) })
            }
            Err(error) => Err(self.cause(&error).await),
        }
    }

    /// Returns why the client cannot connect. Its error has the cause only as a part of its text.
    async fn cause(&self, error: &RedisError) -> RedisCallError {
        for client in &self.nodes {
            if let Err(error) = Node::connect(client, MAX_SILENCE).await {
                return self.error(&error);
            }
        }
        self.error(error)
    }

    fn error(&self, error: &RedisError) -> RedisCallError {
        let info = self.nodes.first().map(Client::get_connection_info);
        let password = info.and_then(|info| info.redis_settings().password());
        RedisCallError::new(error, Peer::Cluster, password)
    }
}

/// Whether a call has reached a node.
fn is_reply<T>(result: &Result<T, RedisError>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => {
            let kind = RedisCallError::new(error, Peer::Cluster, None).kind();
            !matches!(kind, RedisErrorKind::Unreachable | RedisErrorKind::ClusterDown)
        }
    }
}
