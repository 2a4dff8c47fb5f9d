use std::{error::Error, fmt, sync::Arc, time::Duration};

use redis::{
    Client, FromRedisValue, IntoConnectionInfo, Script, ScriptInvocation,
    io::tcp::{TcpSettings, socket2::TcpKeepalive},
};

use self::{link::Link, scripts::Scripts};
use super::{Backend, BackendResult, Claimed, Holding, Key, Owner};

mod link;
mod scripts;

/// Keeps claims on a Redis server, or another one that speaks its protocol, for any number of
/// processes.
///
/// Each step is one Lua script, called by its hash: atomic, and one round trip to claim and one to
/// end. A clone is a handle to the same connection, which is made at the first call, and anew when it
/// breaks, answers nothing for 10 seconds, or turns out not to lead to the primary: while a server is
/// down, also when the process starts, deliveries are answered 503.
///
/// ```
/// use agentmail_receive::{Redis, Store};
///
/// let store = Store::new(Redis::new("redis://127.0.0.1:6379")?);
/// # Ok::<(), agentmail_receive::RedisError>(())
/// ```
///
/// # The server
///
/// - **Eviction** must be off (`maxmemory-policy noeviction`): a server that evicts forgets handled
///   messages, and copies of them are handled again. The log warns once when it may evict.
/// - **Persistence**: what the server loses in a crash was never handled, as far as it knows.
///   `appendonly yes` with `appendfsync always` loses nothing that it has answered; `everysec` loses
///   up to a second.
/// - **Failover** to a replica is asynchronous: what the old primary had answered and the new one had not
///   yet received is lost likewise.
/// - **Cluster**: the client speaks to one server. Give it a server of its own, not a node of a cluster.
/// - **Permissions** (ACL): `+evalsha +eval +script|load +get +set +del +pexpire` on the keys of the prefix; and
///   `+info`, for the warning about eviction.
///
/// Nothing but digests and random tokens stands there; a handled message takes about 230 bytes.
#[derive(Clone)]
pub struct Redis {
    prefix: Arc<str>,
    scripts: Arc<Scripts>,
    // Connects at the first call, so that it is the store's own thread that drives it.
    link: Arc<Link>,
}

impl Redis {
    /// Takes a server's address: `redis://[user:password@]host[:port][/database]`, or `rediss://` for
    /// TLS, which needs the feature `redis-tls` and trusts the system's certificates.
    ///
    /// Keys begin with `agentmail:`.
    ///
    /// # Errors
    ///
    /// The address is malformed, or asks for what was not compiled in.
    pub fn new(url: &str) -> Result<Self, RedisError> {
        #[cfg(feature = "redis-tls")]
        choose_cryptography();
        let info = url.into_connection_info().map_err(RedisError)?;
        let client = Client::open(info.set_tcp_settings(tcp_settings())).map_err(RedisError)?;
        Ok(Self {
            prefix: "agentmail:".into(),
            scripts: Arc::new(Scripts::new()),
            link: Arc::new(Link::new(client)),
        })
    }

    /// Sets what keys begin with, in place of `agentmail:`.
    #[must_use]
    pub fn with_prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    fn script<'a>(&self, script: &'a Script, key: Key) -> ScriptInvocation<'a> {
        script.key(format!("{}{key}", self.prefix))
    }

    async fn run<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> BackendResult<T> {
        Ok(self.link.ask(call).await?)
    }
}

impl Backend for Redis {
    async fn claim(&self, key: Key, owner: Owner, lease: Duration) -> BackendResult<Claimed> {
        let mut call = self.script(&self.scripts.claim, key);
        Ok(match self.run(call.arg(owner.to_string()).arg(millis(lease))).await? {
            0 => Claimed::Now,
            1 => Claimed::AlreadyHandled,
            _ => Claimed::InFlight,
        })
    }

    async fn renew(&self, key: Key, owner: Owner, lease: Duration) -> BackendResult<Holding> {
        let mut call = self.script(&self.scripts.renew, key);
        self.run(call.arg(owner.to_string()).arg(millis(lease))).await.map(holding)
    }

    async fn complete(
        &self,
        key: Key,
        owner: Owner,
        retention: Duration,
    ) -> BackendResult<Holding> {
        let mut call = self.script(&self.scripts.complete, key);
        self.run(call.arg(owner.to_string()).arg(millis(retention))).await.map(holding)
    }

    async fn release(&self, key: Key, owner: Owner) -> BackendResult<()> {
        self.run(self.script(&self.scripts.release, key).arg(owner.to_string())).await
    }

    async fn forget(&self, key: Key) -> BackendResult<bool> {
        self.run(&self.script(&self.scripts.forget, key)).await
    }
}

/// Shows the prefix. The address may hold a password.
impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// A server takes no time that overflows its clock: a hundred years are as good as for ever.
fn millis(time: Duration) -> u64 {
    const CENTURY: u64 = 100 * 365 * 24 * 3_600 * 1_000;
    u64::try_from(time.as_millis()).map_or(CENTURY, |millis| millis.clamp(1, CENTURY))
}

fn holding(held: bool) -> Holding {
    if held { Holding::Held } else { Holding::Lost }
}

/// A server that is gone without a word is noticed in seconds, not in a quarter of an hour.
fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(5));
    let settings = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(Duration::from_secs(10));
    settings
}

/// `rustls` asks for one implementation a process. One that the application has chosen stands.
#[cfg(feature = "redis-tls")]
fn choose_cryptography() {
    use rustls::crypto::{CryptoProvider, ring};

    if CryptoProvider::get_default().is_none() {
        // Somebody else may have been faster, which is as good.
        _ = ring::default_provider().install_default();
    }
}

/// Why an address cannot be that of a Redis server.
#[derive(Debug)]
pub struct RedisError(redis::RedisError);

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address of the Redis server cannot be used")
    }
}

impl Error for RedisError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
