//! The lookup of a primary at Sentinels.
//!
//! `redis::sentinel::SentinelClient` (redis 1.8) does it too. The store does it itself, because the
//! client does not do this:
//!
//! - It looks the primary up at all Sentinels, and the one that knows the latest failover decides.
//!   The client takes the first reply in the order of the address: a frozen Sentinel delays each
//!   lookup, and one that is not up to date sends the client to the old primary.
//! - It does not connect to an old primary that has been frozen and continues. For seconds, such a
//!   server accepts writes that it then loses. The store looks the primary up again after it has
//!   connected, and does not connect during a failover.
//! - It has one cause for each error. The client has one error for an unknown name and for a
//!   primary that is down.

use std::{collections::HashMap, time::Duration};

use redis::{Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

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
/// How long the other Sentinels may take after the first one has replied.
const MAX_LATER: Duration = Duration::from_millis(100);

/// The host and the port of a server.
type Address = (String, u16);

/// What a Sentinel knows of a primary.
struct Known {
    /// The number of the failover that has chosen the primary. A later failover has a higher one.
    epoch: u64,
    address: Address,
    /// Another server is about to become the primary.
    is_failing_over: bool,
}

impl Sentinels {
    pub(super) fn new(address: SentinelAddress) -> Result<Self, RedisStoreError> {
        let clients = address.sentinels.into_iter().map(client).collect::<Result<_, _>>()?;
        Ok(Self { clients, name: address.name, primary: address.primary })
    }

    /// Connects to the primary. `max_silence` is how long it may send nothing while calls wait.
    pub(super) async fn connect(
        &self,
        max_silence: Duration,
    ) -> Result<RedisResult<Node>, RedisCallError> {
        loop {
            let address = self.primary().await?;
            let connected = Node::connect(&self.client(address.clone())?, max_silence).await;
            // An old primary that was frozen may have completed the connection just now.
            if connected.is_err() || self.primary().await? == address {
                return Ok(connected);
            }
        }
    }

    /// Looks up the primary at all Sentinels. The one that knows the latest failover decides.
    async fn primary(&self) -> Result<Address, RedisCallError> {
        let mut lookups = JoinSet::new();
        for client in &self.clients {
            lookups.spawn(lookup(client.clone(), self.name.clone()));
        }
        let (mut newest, mut failure) = (None::<Known>, None);
        let mut end = Instant::now() + MAX_LOOKUP;
        while let Ok(Some(outcome)) = timeout_at(end, lookups.join_next()).await {
            match outcome {
                Ok(Ok(known)) => {
                    end = end.min(Instant::now() + MAX_LATER);
                    let rank = |known: &Known| (known.epoch, known.is_failing_over);
                    if newest.as_ref().is_none_or(|newest| rank(newest) < rank(&known)) {
                        newest = Some(known);
                    }
                }
                Ok(Err(error)) => failure = more_telling(failure, error),
                // The runtime is about to end.
                Err(_) => {}
            }
        }
        match newest {
            Some(Known { is_failing_over: true, .. }) => Err(failing_over()),
            Some(known) => Ok(known.address),
            None => Err(failure.unwrap_or_else(timed_out)),
        }
    }

    fn client(&self, (host, port): Address) -> Result<Client, RedisCallError> {
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
async fn lookup(sentinel: Client, name: String) -> Result<Known, RedisCallError> {
    let password = sentinel.get_connection_info().redis_settings().password();
    let lookup = async {
        let mut node = Node::connect(&sentinel, MAX_LOOKUP).await?;
        let command = |subcommand| {
            let mut command = redis::cmd("SENTINEL");
            command.arg(subcommand).arg(&name);
            command
        };
        // This address is that of the new primary as soon as there is one. That of `MASTER` changes
        // after all replicas follow the new primary.
        let address = command("GET-MASTER-ADDR-BY-NAME");
        let Some(address) = address.query_async::<Option<Address>>(&mut node).await? else {
            return Ok(None);
        };
        let fields = command("MASTER").query_async(&mut node).await?;
        Known::new(address, &fields).map(Some)
    };
    match timeout(MAX_LOOKUP, lookup).await {
        Ok(Ok(Some(known))) => Ok(known),
        Ok(Ok(None)) => {
            Err(RedisCallError::of_kind(RedisErrorKind::UnknownPrimary, Peer::Sentinel, None))
        }
        Ok(Err(error)) => Err(RedisCallError::new(&error, Peer::Sentinel, password)),
        Err(_) => Err(timed_out()),
    }
}

impl Known {
    /// Reads the reply of `SENTINEL MASTER`.
    fn new(address: Address, fields: &HashMap<String, String>) -> RedisResult<Self> {
        let malformed =
            || RedisError::from((ErrorKind::UnexpectedReturnType, "a reply has no fields"));
        let field = |name| fields.get(name).ok_or_else(malformed);
        let (host, port) = &address;
        let is_old = field("ip")? == host && *field("port")? == port.to_string();
        Ok(Self {
            epoch: field("config-epoch")?.parse().map_err(|_| malformed())?,
            is_failing_over: is_old && field("flags")?.contains("failover_in_progress"),
            address,
        })
    }
}

fn failing_over() -> RedisCallError {
    let detail = "the Sentinels are making another server the primary";
    RedisCallError::of_kind(RedisErrorKind::Unreachable, Peer::Server, Some(detail.into()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn known(port: u16, flags: &str) -> RedisResult<Known> {
        let fields =
            [("ip", "10.0.0.1"), ("port", "6379"), ("flags", flags), ("config-epoch", "7")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Known::new(("10.0.0.1".into(), port), &HashMap::from(fields))
    }

    #[test]
    fn a_primary_is_being_replaced_until_the_sentinel_has_another_address() {
        let failing_over = "master,s_down,o_down,failover_in_progress";
        for (port, flags, expected) in [
            (6379, "master", false),
            (6379, "master,s_down,o_down", false),
            (6379, failing_over, true),
            (6380, failing_over, false),
        ] {
            let known = known(port, flags).unwrap();
            assert_eq!(known.is_failing_over, expected, "{port}, {flags}");
            assert_eq!((known.epoch, known.address.1), (7, port));
        }
    }

    #[test]
    fn a_reply_without_its_fields_is_an_error() {
        let error = Known::new(("10.0.0.1".into(), 6379), &HashMap::new()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::UnexpectedReturnType);
    }
}
