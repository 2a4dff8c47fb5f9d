use std::{fmt, sync::Arc, time::Duration};

use redis::{
    Client, FromRedisValue, Script, ScriptInvocation,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use crate::{
    key::ClaimKey,
    owner::Owner,
    redis::{
        address::{self, RedisStoreError},
        connection::Connection,
        scripts::Scripts,
    },
    store::{BoxError, ClaimOutcome, ClaimStore, LeaseState},
};

/// Keeps claims on a Redis server, or on another server with the same protocol, for any number of
/// processes.
///
/// Each call is one Lua script, called by its hash: one atomic step and one round trip. A clone is
/// a handle to the same connection. The store connects at the first call. It connects again when
/// the connection breaks, when the server sends nothing for 10 seconds, or when the server is no
/// longer the primary. While the server is down, also at the start of the process, each call fails
/// with a [`RedisCallError`](crate::RedisCallError), which names the cause.
/// [`Claims::check`](crate::Claims::check) finds a wrong setup when the process starts.
///
/// ```
/// # use agentmail_dedupe::{Claims, RedisStore};
/// let claims = Claims::new(RedisStore::new("redis://127.0.0.1:6379")?);
/// # Ok::<(), agentmail_dedupe::RedisStoreError>(())
/// ```
///
/// # The server
///
/// - **Eviction** must be off (`maxmemory-policy noeviction`). A server that evicts records forgets
///   handled messages, and copies of them are handled again. The log warns once if the server may
///   evict.
/// - **Persistence**: records that the server loses in a crash are gone, and those messages are
///   handled again if they are delivered again. `appendonly yes` with `appendfsync always` loses no
///   record that the server has confirmed. `everysec` loses up to a second.
/// - **Failover** to a replica is asynchronous: the replica may lack the last records.
/// - **Cluster and Sentinel**: the client connects to one server. Use the address of a server that
///   is not part of a cluster, or of a proxy that leads to the primary.
/// - **Permissions** (ACL): `+evalsha +eval +script|load +get +set +del +pexpire` on the keys of
///   the prefix, and `+info` for the warning about eviction.
///
/// The server sees digests and random tokens only. A handled message takes about 230 bytes.
#[derive(Clone)]
pub struct RedisStore {
    prefix: Arc<str>,
    scripts: Arc<Scripts>,
    // Connects at the first call: the thread that makes the call also drives the connection.
    connection: Arc<Connection>,
}

impl RedisStore {
    /// Takes the address of a server: `redis://[user:password@]host[:port][/database]`. Does not
    /// connect.
    ///
    /// Percent-encode the user name and the password: for example, write `%23` for `#`, `%2F` for
    /// `/` and `%25` for `%`. `rediss://` is TLS, which needs the feature `redis-tls`. It trusts
    /// the certificates of the system. Keys begin with `agentmail:`.
    ///
    /// # Errors
    ///
    /// The address is malformed, or it needs TLS and the feature is off. The error names the part
    /// that is wrong, and shows no part of the address.
    pub fn new(url: &str) -> Result<Self, RedisStoreError> {
        #[cfg(feature = "redis-tls")]
        choose_cryptography();
        let info = address::parse(url)?.set_tcp_settings(tcp_settings());
        let client = Client::open(info).map_err(|_| RedisStoreError::Malformed)?;
        Ok(Self {
            prefix: "agentmail:".into(),
            scripts: Arc::new(Scripts::new()),
            connection: Arc::new(Connection::new(client)),
        })
    }

    /// Sets the text that keys begin with, instead of `agentmail:`.
    #[must_use]
    pub fn with_prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    fn script<'a>(&self, script: &'a Script, key: ClaimKey) -> ScriptInvocation<'a> {
        script.key(format!("{}{key}", self.prefix))
    }

    async fn run<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, BoxError> {
        Ok(self.connection.call(call).await?)
    }
}

impl ClaimStore for RedisStore {
    async fn claim(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<ClaimOutcome, BoxError> {
        let mut call = self.script(&self.scripts.claim, key);
        match self.run(call.arg(owner.to_string()).arg(millis(lease))).await? {
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
        let mut call = self.script(&self.scripts.renew, key);
        self.run(call.arg(owner.to_string()).arg(millis(lease))).await.map(lease_state)
    }

    async fn complete(
        &self,
        key: ClaimKey,
        owner: Owner,
        retention: Duration,
    ) -> Result<LeaseState, BoxError> {
        let mut call = self.script(&self.scripts.complete, key);
        self.run(call.arg(owner.to_string()).arg(millis(retention))).await.map(lease_state)
    }

    async fn release(&self, key: ClaimKey, owner: Owner) -> Result<(), BoxError> {
        self.run(self.script(&self.scripts.release, key).arg(owner.to_string())).await
    }

    async fn forget(&self, key: ClaimKey) -> Result<bool, BoxError> {
        self.run(&self.script(&self.scripts.forget, key)).await
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

fn lease_state(held: bool) -> LeaseState {
    if held { LeaseState::Held } else { LeaseState::Lost }
}

/// A server that disappears is noticed after seconds. The default is a quarter of an hour.
fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(5));
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(Duration::from_secs(10));
    settings
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

    #[test]
    fn a_time_is_between_a_millisecond_and_a_century() {
        assert_eq!(millis(Duration::ZERO), 1);
        assert_eq!(millis(Duration::from_secs(60)), 60_000);
        assert_eq!(millis(Duration::MAX), 100 * 365 * 24 * 3_600 * 1_000);
    }
}
