use std::time::Duration;

use redis::FromRedisValue;
use tokio::time::{Instant, sleep, timeout_at};

#[cfg(feature = "redis-cluster")]
use crate::redis::cluster::Cluster;
use crate::{
    deadline,
    redis::{
        address::Address,
        error::{Peer, RedisCallError, RedisErrorKind},
        script::{Call, Reply},
        server::{Server, needs_new_connection},
        shared::PAUSE,
        store_error::RedisStoreError,
    },
};

/// A connection to one server, to a set under Sentinel, or to a cluster.
pub(super) enum Connection {
    Server(Server),
    #[cfg(feature = "redis-cluster")]
    Cluster(Cluster),
}

impl Connection {
    pub(super) fn new(address: Address) -> Result<Self, RedisStoreError> {
        Ok(match address {
            Address::Server(info) => Self::Server(Server::one(info)?),
            Address::Sentinels(sentinels) => Self::Server(Server::under_sentinels(sentinels)?),
            #[cfg(feature = "redis-cluster")]
            Address::Cluster(nodes) => Self::Cluster(Cluster::new(nodes)?),
        })
    }

    /// Makes a call. It is repeated while another attempt may help: once at one server, and until
    /// shortly before the deadline where another server can become the primary.
    pub(super) async fn call<T: FromRedisValue>(
        &self,
        call: &Call<'_>,
    ) -> Result<Reply<T>, RedisCallError> {
        let server = match self {
            Self::Server(server) if !server.can_fail_over() => server,
            // Boxed, because it is larger than a call at one server.
            _ => return Box::pin(self.call_until_the_deadline(call)).await,
        };
        // One place awaits the attempts: two would double the future.
        let mut repeated = false;
        loop {
            match server.attempt(call).await {
                Err(error) if !repeated && needs_new_connection(&error) => repeated = true,
                result => return result,
            }
        }
    }

    async fn call_until_the_deadline<T: FromRedisValue>(
        &self,
        call: &Call<'_>,
    ) -> Result<Reply<T>, RedisCallError> {
        let end = end_of_attempts();
        let mut failure = None;
        loop {
            let error = match timeout_at(end, self.attempt(call)).await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(error)) => error,
                Err(_) => return Err(failure.unwrap_or_else(|| self.timed_out())),
            };
            if !may_pass(&error) || Instant::now() + PAUSE >= end {
                return Err(error);
            }
            failure = Some(error);
            sleep(PAUSE).await;
        }
    }

    async fn attempt<T: FromRedisValue>(
        &self,
        call: &Call<'_>,
    ) -> Result<Reply<T>, RedisCallError> {
        match self {
            Self::Server(server) => server.attempt(call).await,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(cluster) => cluster.attempt(call).await,
        }
    }

    fn timed_out(&self) -> RedisCallError {
        RedisCallError::timed_out(match self {
            Self::Server(_) => Peer::Server,
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(_) => Peer::Cluster,
        })
    }
}

/// For how long a call is repeated that has no deadline.
const MAX_ATTEMPTS: Duration = Duration::from_secs(2);
/// How long before the deadline the last attempt ends at most. Its error has the cause, which an
/// error of the deadline does not have.
const MARGIN: Duration = Duration::from_millis(100);

fn end_of_attempts() -> Instant {
    let now = Instant::now();
    let left = deadline::current().map_or(MAX_ATTEMPTS, |deadline| deadline - now);
    now + left - MARGIN.min(left / 10)
}

/// Whether an error may be gone at the next attempt.
fn may_pass(error: &RedisCallError) -> bool {
    use RedisErrorKind::{ClusterDown, Loading, UnknownPrimary};

    needs_new_connection(error) || matches!(error.kind(), ClusterDown | Loading | UnknownPrimary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::{address, script::Scripts};

    fn connection(url: &str) -> Connection {
        Connection::new(address::parse(url).unwrap()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_attempts_end_shortly_before_the_deadline() {
        let now = Instant::now();
        assert_eq!(end_of_attempts() - now, Duration::from_millis(1_900), "without a deadline");
        for (deadline, end) in [(5_000, 4_900), (1_000, 900), (10, 9), (0, 0)] {
            let attempts = async { end_of_attempts() - now };
            let left = deadline::within(Duration::from_millis(deadline), attempts).await.unwrap();
            assert_eq!(left, Duration::from_millis(end), "{deadline} ms");
        }
    }

    #[tokio::test]
    async fn each_call_without_a_connection_has_the_real_cause() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let connection = connection(&format!("redis://{closed}"));
        let scripts = Scripts::new();

        for _ in 0..3 {
            let call = scripts.forget.call("key");
            let Err(error) = connection.call::<u8>(&call).await else { panic!("it is closed") };
            assert_eq!(error.kind(), RedisErrorKind::Unreachable);
            let text = error.to_string();
            assert!(text.contains("cannot be reached: Connection refused"), "{text}");
        }
    }
}
