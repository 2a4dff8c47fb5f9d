use std::{io, thread, time::Duration};

use crate::RedisServer;

/// A replicated set for one test: a primary, a replica, and three Sentinels.
#[derive(Debug)]
pub struct RedisSentinels {
    primary: RedisServer,
    replica: RedisServer,
    sentinels: Vec<RedisServer>,
}

const NAME: &str = "claims";
const SENTINELS: usize = 3;

impl RedisSentinels {
    /// Starts a set with an append-only file at each server. The replica becomes the primary when
    /// the primary has been down for a second.
    ///
    /// # Errors
    ///
    /// `redis-server` is not installed, or a server does not start.
    pub fn start() -> io::Result<Self> {
        let options = ["--appendonly", "yes", "--repl-diskless-sync-delay", "0"];
        let primary = RedisServer::start(&options)?;
        let port = primary.port();
        let port_text = port.to_string();
        let replica = ["--replicaof", "127.0.0.1", &port_text];
        let replica = RedisServer::start(&[&options[..], &replica].concat())?;
        while !primary.query("INFO replication")?.contains("state=online") {
            thread::sleep(Duration::from_millis(20));
        }
        let configuration = format!(
            "sentinel monitor {NAME} 127.0.0.1 {port} 2\nsentinel down-after-milliseconds {NAME} \
             1000\nsentinel failover-timeout {NAME} 5000\n"
        );
        let sentinels = (0..SENTINELS).map(|_| RedisServer::start_sentinel(&configuration));
        let sentinels = sentinels.collect::<io::Result<Vec<_>>>()?;
        for sentinel in &sentinels {
            let known = format!("status=ok,address=127.0.0.1:{port},slaves=1,sentinels=3");
            while !sentinel.query("INFO sentinel")?.contains(&known) {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(Self { primary, replica, sentinels })
    }

    /// Returns the address of the Sentinels and the name, `redis-sentinel://…/…`.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<_> =
            self.sentinels.iter().map(|it| format!("127.0.0.1:{}", it.port())).collect();
        format!("redis-sentinel://{}/{NAME}", hosts.join(","))
    }

    /// Returns the server that is the primary at the start.
    #[must_use]
    pub const fn primary(&mut self) -> &mut RedisServer {
        &mut self.primary
    }

    /// Returns the server that is its replica at the start.
    #[must_use]
    pub const fn replica(&mut self) -> &mut RedisServer {
        &mut self.replica
    }

    /// Returns the Sentinels.
    #[must_use]
    pub fn sentinels(&mut self) -> &mut [RedisServer] {
        &mut self.sentinels
    }
}
