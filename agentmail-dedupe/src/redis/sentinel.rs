//! The lookup of a primary at Sentinels.
//!
//! `redis::sentinel::SentinelClient` (redis 1.8) does it too. The store does it itself, because the
//! client does not do this:
//!
//! - It takes the first reply of any Sentinel. The client takes the replies in the order of the
//!   address, so a frozen first Sentinel delays each lookup.
//! - It has one cause for each error. The client has one error for an unknown name and for a
//!   primary that is down.
//! - It connects to the primary once, and not also for a `ROLE` before: a replica is found at the
//!   first call.

use std::time::Duration;

use redis::{Client, ConnectionAddr, ConnectionInfo};
use tokio::{task::JoinSet, time::timeout};

use crate::redis::{
    address::SentinelAddress,
    error::{Peer, RedisCallError, RedisErrorKind},
    node::Node,
    server::client,
    store_error::RedisStoreError,
};

/// The Sentinels of an address, and the name of the primary.
pub(super) struct Sentinels {
    clients: Vec<Client>,
    name: String,
    primary: ConnectionInfo,
}

/// How long a lookup may take.
const MAX_LOOKUP: Duration = Duration::from_secs(1);

impl Sentinels {
    pub(super) fn new(address: SentinelAddress) -> Result<Self, RedisStoreError> {
        let clients = address.sentinels.into_iter().map(client).collect::<Result<_, _>>()?;
        Ok(Self { clients, name: address.name, primary: address.primary })
    }

    /// Looks up the primary at all Sentinels. The first one that knows it decides.
    pub(super) async fn primary(&self) -> Result<Client, RedisCallError> {
        let mut lookups = JoinSet::new();
        for client in &self.clients {
            lookups.spawn(lookup(client.clone(), self.name.clone()));
        }
        let mut failure = None;
        while let Some(outcome) = lookups.join_next().await {
            match outcome {
                Ok(Ok((host, port))) => return self.client(host, port),
                Ok(Err(error)) => failure = more_telling(failure, error),
                // The runtime is about to end.
                Err(_) => {}
            }
        }
        Err(failure.unwrap_or_else(timed_out))
    }

    fn client(&self, host: String, port: u16) -> Result<Client, RedisCallError> {
        let address = match self.primary.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        Client::open(self.primary.clone().set_addr(address))
            .map_err(|error| RedisCallError::new(&error, Peer::Server, None))
    }
}

/// Looks up the primary at one Sentinel.
async fn lookup(sentinel: Client, name: String) -> Result<(String, u16), RedisCallError> {
    let password = sentinel.get_connection_info().redis_settings().password();
    let lookup = async {
        let mut node = Node::connect(&sentinel, MAX_LOOKUP).await?;
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
        command.query_async::<Option<(String, u16)>>(&mut node).await
    };
    match timeout(MAX_LOOKUP, lookup).await {
        Ok(Ok(Some(address))) => Ok(address),
        Ok(Ok(None)) => {
            Err(RedisCallError::of_kind(RedisErrorKind::UnknownPrimary, Peer::Sentinel, None))
        }
        Ok(Err(error)) => Err(RedisCallError::new(&error, Peer::Sentinel, password)),
        Err(_) => Err(timed_out()),
    }
}

fn timed_out() -> RedisCallError {
    RedisCallError::timed_out(Peer::Sentinel)
}

/// Prefers the error of a Sentinel that has replied.
fn more_telling(known: Option<RedisCallError>, other: RedisCallError) -> Option<RedisCallError> {
    match known {
        Some(known) if known.kind() != RedisErrorKind::Unreachable => Some(known),
        _ => Some(other),
    }
}
