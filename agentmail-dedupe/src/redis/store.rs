use std::{fmt, sync::Arc, time::Duration};

use redis::FromRedisValue;

use crate::{
    key::ClaimKey,
    owner::Owner,
    redis::{
        address,
        connection::Connection,
        error::RedisCallError,
        script::{Call, Reply, Script, Scripts},
        store_error::RedisStoreError,
        wait::Wait,
    },
    store::{BoxError, ClaimOutcome, ClaimStore, LeaseState},
};

/// Keeps claims on Redis, for any number of processes: on one server, on a set under Sentinel, or
/// on a cluster. Another server with the same protocol works too.
///
/// Each call is one atomic step and one round trip: a `SET`, or a Lua script that is called by its
/// hash. The claim of a message that is not new takes both. A clone is a handle to the same
/// connection. The store connects at the first call. It connects again when the connection breaks,
/// when the server sends nothing for 10 seconds, or when the server is no longer the primary. While
/// the server is down, also at the start of the process, each call fails with a
/// [`RedisCallError`](crate::RedisCallError), which names the cause.
/// [`Claims::check`](crate::Claims::check) finds a wrong setup when the process starts.
///
/// ```
/// # use agentmail_dedupe::{Claims, RedisStore};
/// let claims = Claims::new(RedisStore::new("redis://127.0.0.1:6379")?);
/// # Ok::<(), agentmail_dedupe::RedisStoreError>(())
/// ```
///
/// # Sentinel and cluster
///
/// A call that fails is repeated until shortly before its
/// [deadline](crate::ClaimsConfig::with_deadline): the primary may be another server then, or the
/// slot on another node. A server that sends nothing for a second has failed. Without
/// [`Claims`](crate::Claims), a call is repeated for two seconds.
///
/// # The server
///
/// - **Version**: Redis 6.2 or later, for the option `GET` of `SET`.
/// - **Eviction** must be off (`maxmemory-policy noeviction`). A server that evicts records forgets
///   handled messages, and copies of them are handled again. The log warns once if the server may
///   evict.
/// - **Persistence**: records that the server loses in a crash are gone, and those messages are
///   handled again if they are delivered again. `appendonly yes` with `appendfsync always` loses no
///   record that the server has confirmed. `everysec` loses up to a second.
/// - **Failover** to a replica is asynchronous: the replica may lack the last records.
///   [`with_wait`](Self::with_wait) waits for replicas.
/// - **Permissions** (ACL): `+evalsha +eval +get +set +del +pexpire` on the keys of the prefix, and
///   `+info` for the warning about eviction. `with_wait` needs `+wait`. A cluster needs
///   `+cluster|slots +ping +asking`. Sentinels need
///   `+sentinel|get-master-addr-by-name +sentinel|master`.
///
/// The server sees digests and random tokens only. A handled message takes about 230 bytes.
#[derive(Clone)]
pub struct RedisStore {
    prefix: Arc<str>,
    wait: Option<Wait>,
    scripts: Arc<Scripts>,
    // Connects at the first call: the thread that makes the call also drives the connection.
    connection: Arc<Connection>,
}

impl RedisStore {
    /// Takes the address of a server, of Sentinels, or of nodes of a cluster. Does not connect.
    ///
    /// | address | where the claims are |
    /// | --- | --- |
    /// | `redis://[user:password@]host[:port][/database]` | on one server |
    /// | `redis-sentinel://[user:password@]host[:port],host[:port]/NAME[/database]` | on the primary that the Sentinels know by this name |
    /// | `redis-cluster://[user:password@]host[:port],host[:port]` | on a cluster, which needs the feature `redis-cluster` |
    ///
    /// - One host of a cluster or one Sentinel is enough to connect. Write several, because some
    ///   may be down.
    /// - The default port is 6379, and 26379 for a Sentinel.
    /// - Percent-encode the user name and the password: for example, write `%23` for `#`, `%2F` for
    ///   `/` and `%25` for `%`.
    /// - The user and password before the hosts are those of the servers. Those of the Sentinels
    ///   are parameters: `?sentinel_username=…&sentinel_password=…`.
    /// - With `rediss://`, `rediss-sentinel://` and `rediss-cluster://`, all connections use TLS,
    ///   which needs the feature `redis-tls`. It trusts the certificates of the system.
    /// - `valkey` may replace `redis`, and `+` may replace `-`.
    ///
    /// Keys begin with `agentmail:`.
    ///
    /// # Errors
    ///
    /// The address is malformed, or it needs a feature that is off. The error names the part that
    /// is wrong, and shows no part of the address.
    pub fn new(url: &str) -> Result<Self, RedisStoreError> {
        #[cfg(feature = "redis-tls")]
        choose_cryptography();
        Ok(Self {
            prefix: "agentmail:".into(),
            wait: None,
            scripts: Arc::new(Scripts::new()),
            connection: Arc::new(Connection::new(address::parse(url)?)?),
        })
    }

    /// Sets the text that keys begin with, instead of `agentmail:`.
    ///
    /// In a cluster, a part in braces, such as `{agentmail}:`, puts all keys on one node.
    #[must_use]
    pub fn with_prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// Waits until this many replicas have a claim or a record of a handled message (`WAIT`). By
    /// default, the store does not wait.
    ///
    /// If fewer replicas confirm within the timeout, the call fails with
    /// [`TooFewReplicas`](crate::RedisErrorKind::TooFewReplicas). A claim is then released, and a
    /// record is tried again until the lease ends. `timeout` is at least a millisecond. Keep it
    /// well below the [deadline](crate::ClaimsConfig::with_deadline): for example, 500
    /// milliseconds.
    ///
    /// With one replica for each primary, a failover then loses no claim and no record. This is
    /// **not** so in these cases:
    ///
    /// - A primary has several replicas, and one is elected that has not confirmed. Wait for all of
    ///   them.
    /// - A primary without persistence restarts before the failover. It is empty, and its replicas
    ///   copy that. Set `appendonly yes`.
    /// - The replica crashes too, and has not written the record to its disk.
    #[must_use]
    pub fn with_wait(self, replicas: usize, timeout: Duration) -> Self {
        Self { wait: Some(Wait { replicas, timeout }), ..self }
    }

    fn call<'a>(&self, script: &'a Script, key: ClaimKey) -> Call<'a> {
        script.call(&self.key(key))
    }

    fn key(&self, key: ClaimKey) -> String {
        format!("{}{key}", self.prefix)
    }

    async fn run<T: FromRedisValue>(&self, call: &Call<'_>) -> Result<T, RedisCallError> {
        Ok(self.connection.call(call).await?.value)
    }

    /// Makes a call that waits for replicas. If it has changed the key, enough of them must have
    /// the change.
    async fn run_durably<T: FromRedisValue>(
        &self,
        call: &mut Call<'_>,
        is_change: impl FnOnce(&T) -> bool,
    ) -> Result<T, RedisCallError> {
        call.set_wait(self.wait);
        let reply: Reply<T> = self.connection.call(call).await?;
        match (self.wait, reply.replicas) {
            (Some(wait), Some(replicas)) if replicas < wait.replicas && is_change(&reply.value) => {
                Err(wait.too_few(replicas))
            }
            _ => Ok(reply.value),
        }
    }
}

impl ClaimStore for RedisStore {
    const NAME: &str = "redis";

    async fn claim(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<ClaimOutcome, BoxError> {
        let lease = millis(lease);
        let mut call = Call::set_if_absent(&self.key(key), &claimed(owner), lease);
        if self.run_durably(&mut call, |is_set| *is_set).await? {
            return Ok(ClaimOutcome::Granted);
        }
        call = self.call(&self.scripts.claim, key).arg(owner.to_string()).arg(lease);
        match self.run_durably(&mut call, |outcome| *outcome == 0).await? {
            0 => Ok(ClaimOutcome::Granted),
            1 => Ok(ClaimOutcome::AlreadyHandled),
            2 => Ok(ClaimOutcome::InFlight),
            other => Err(format!("the script of a claim returned {other}").into()),
        }
    }

    async fn renew(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<LeaseState, BoxError> {
        let call = self.call(&self.scripts.renew, key).arg(owner.to_string()).arg(millis(lease));
        Ok(lease_state(self.run(&call).await?))
    }

    async fn complete(
        &self,
        key: ClaimKey,
        owner: Owner,
        retention: Duration,
    ) -> Result<LeaseState, BoxError> {
        let handled = handled(owner);
        let mut set = Call::replace(&self.key(key), &handled, millis(retention));
        let old: Option<String> = self.run_durably(&mut set, |_| true).await?;
        Ok(lease_state(old.is_none_or(|old| old == handled || old == claimed(owner))))
    }

    async fn release(&self, key: ClaimKey, owner: Owner) -> Result<(), BoxError> {
        Ok(self.run(&self.call(&self.scripts.release, key).arg(owner.to_string())).await?)
    }

    async fn forget(&self, key: ClaimKey) -> Result<bool, BoxError> {
        Ok(self.run(&self.call(&self.scripts.forget, key)).await?)
    }
}

/// Shows the prefix. The address may contain a password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// Limits a time to 100 years, because a longer one overflows the server's clock.
fn millis(time: Duration) -> u64 {
    const CENTURY: u64 = 100 * 365 * 24 * 3_600 * 1_000;
    u64::try_from(time.as_millis()).map_or(CENTURY, |millis| millis.clamp(1, CENTURY))
}

fn claimed(owner: Owner) -> String {
    format!("claimed:{owner}")
}

fn handled(owner: Owner) -> String {
    format!("handled:{owner}")
}

fn lease_state(held: bool) -> LeaseState {
    if held { LeaseState::Held } else { LeaseState::Lost }
}

/// Chooses an implementation for `rustls`, which needs one for the process. A choice of the
/// application is kept.
#[cfg(feature = "redis-tls")]
fn choose_cryptography() {
    use rustls::crypto::{CryptoProvider, ring};

    if CryptoProvider::get_default().is_none() {
        // It fails if another thread was faster. Then there is an implementation too.
        _ = ring::default_provider().install_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::AnyStore;

    #[test]
    fn a_time_is_between_a_millisecond_and_a_century() {
        assert_eq!(millis(Duration::ZERO), 1);
        assert_eq!(millis(Duration::from_secs(60)), 60_000);
        assert_eq!(millis(Duration::MAX), 100 * 365 * 24 * 3_600 * 1_000);
    }

    /// The allocator of glibc is slower for more than 1,032 bytes.
    #[test]
    fn the_two_calls_of_a_new_message_are_small() {
        let store = || Arc::new(RedisStore::new("redis://127.0.0.1").unwrap());
        let (key, owner) = (ClaimKey::new("scope", [0; 32]), Owner::random());
        let claim = AnyStore::claim(store(), key, owner, Duration::ZERO);
        let complete = AnyStore::complete(store(), key, owner, Duration::ZERO);

        assert!(size_of_val(&*claim) <= 1_032, "{}", size_of_val(&*claim));
        assert!(size_of_val(&*complete) <= 1_032, "{}", size_of_val(&*complete));
    }
}
