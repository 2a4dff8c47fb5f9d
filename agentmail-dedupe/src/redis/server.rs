//! The connection to one server, or to the primary of a set under Sentinel.
//!
//! `redis::aio::ConnectionManager` (redis 1.8) connects again when a connection breaks. The store
//! does it itself, because the manager does not do this:
//!
//! - It connects again after a `READONLY` reply. After a failover, the old address is that of a
//!   replica, and the name must be resolved again.
//! - While there is no connection, each call reports the cause of the last failure.
//! - It connects again when the server has sent nothing for a while. Behind a proxy that hangs, a
//!   connection stays open forever.
//! - It repeats the failed call on the new connection. Each call of a
//!   [`ClaimStore`](crate::ClaimStore) may be repeated.
//! - It looks up the primary at the Sentinels each time.

use std::time::Duration;

use redis::{Client, ConnectionInfo, FromRedisValue, RedisError, Role, aio::ConnectionLike};
use tokio::time::timeout;

use crate::redis::{
    address::SentinelAddress,
    error::{Peer, RedisCallError, RedisErrorKind},
    eviction::EvictionCheck,
    node::Node,
    script::{Call, Reply},
    sentinel::Sentinels,
    shared::{Open, Shared},
    store_error::RedisStoreError,
};

pub(super) struct Server {
    target: Target,
    password: Option<Box<str>>,
    shared: Shared<Node>,
    eviction: EvictionCheck,
}

enum Target {
    One(Client),
    Sentinels(Sentinels),
}

impl Server {
    pub(super) fn one(info: ConnectionInfo) -> Result<Self, RedisStoreError> {
        let client = client(info.clone())?;
        Ok(Self::new(&info, Target::One(client)))
    }

    pub(super) fn under_sentinels(address: SentinelAddress) -> Result<Self, RedisStoreError> {
        let primary = address.primary.clone();
        Ok(Self::new(&primary, Target::Sentinels(Sentinels::new(address)?)))
    }

    fn new(info: &ConnectionInfo, target: Target) -> Self {
        let password = info.redis_settings().password().map(Into::into);
        Self { target, password, shared: Shared::default(), eviction: EvictionCheck::default() }
    }

    /// Whether another address may have become that of the primary.
    pub(super) fn can_fail_over(&self) -> bool {
        matches!(self.target, Target::Sentinels(_))
    }

    /// Makes a call, and discards the connection if another one may help.
    pub(super) async fn attempt<T: FromRedisValue>(
        &self,
        call: &Call<'_>,
    ) -> Result<Reply<T>, RedisCallError> {
        let Open { mut connection, number } = self.shared.open(|| self.connect()).await?;
        match call.run(&mut connection).await {
            Ok(reply) => Ok(reply),
            Err(error) => {
                let error = self.error(&error).await;
                if needs_new_connection(&error) {
                    self.shared.discard(number, &error).await;
                }
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<Node, RedisCallError> {
        let connected = match &self.target {
            Target::One(client) => Node::connect(client, MAX_SILENCE).await,
            Target::Sentinels(sentinels) => sentinels.connect(MAX_SILENCE_OF_PRIMARY).await?,
        };
        match connected {
            Ok(node) => {
                let mut of_check = node.clone();
                self.eviction.start(|info| async move { of_check.req_packed_command(&info).await });
                Ok(node)
            }
            Err(error) => Err(self.error(&error).await),
        }
    }

    async fn error(&self, error: &RedisError) -> RedisCallError {
        let error = RedisCallError::new(error, Peer::Server, self.password.as_deref());
        match &self.target {
            Target::One(client)
                if error.kind() == RedisErrorKind::UnknownCommand && is_sentinel(client).await =>
            {
                RedisCallError::of_kind(RedisErrorKind::Sentinel, Peer::Server, None)
            }
            _ => error,
        }
    }
}

/// How long one server may send nothing while calls wait. Its address stays the same, so a new
/// connection rarely helps.
const MAX_SILENCE: Duration = Duration::from_secs(10);
/// How long a primary may send nothing while calls wait. Another server may be the primary now.
const MAX_SILENCE_OF_PRIMARY: Duration = Duration::from_secs(1);

pub(super) fn client(info: ConnectionInfo) -> Result<Client, RedisStoreError> {
    Client::open(info).map_err(|_| RedisStoreError::Malformed)
}

/// Whether another connection may help.
pub(super) fn needs_new_connection(error: &RedisCallError) -> bool {
    use RedisErrorKind::{MalformedResponse, Replica, Unreachable};

    matches!(error.kind(), Unreachable | MalformedResponse | Replica)
}

/// Whether a server that does not know a command is a Sentinel. A Sentinel has no databases, and
/// may have another password.
async fn is_sentinel(client: &Client) -> bool {
    let ask = async {
        let client = Client::open(client.get_connection_info().addr().clone())?;
        let mut node = Node::connect(&client, MAX_SILENCE).await?;
        redis::cmd("ROLE").query_async(&mut node).await
    };
    // Boxed, because it is large and rare.
    let ask = Box::pin(ask);
    matches!(timeout(MAX_SILENCE_OF_PRIMARY, ask).await, Ok(Ok(Role::Sentinel { .. })))
}
