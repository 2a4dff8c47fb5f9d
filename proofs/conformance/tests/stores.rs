//! The store on Redis: it passes the published test of a claim store, and its keys expire.
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

use std::time::Duration;

use agentmail_conformance::RedisServer;
use agentmail_dedupe::{
    ClaimKey, ClaimStore, Owner, RedisStore,
    testing::{StoreFixture, StoreTest},
};
use redis::aio::MultiplexedConnection;

const LEASE: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(3_600);

struct OnRedis {
    store: RedisStore,
    connection: MultiplexedConnection,
}

impl OnRedis {
    async fn new(server: &RedisServer) -> Self {
        let client = redis::Client::open(server.url()).unwrap();
        Self {
            store: RedisStore::new(&server.url()).unwrap(),
            connection: client.get_multiplexed_async_connection().await.unwrap(),
        }
    }

    /// Returns in how many milliseconds a key expires. The number is negative if it never expires.
    async fn time_left(&mut self, key: &str) -> i64 {
        redis::cmd("PTTL").arg(key).query_async(&mut self.connection).await.unwrap()
    }
}

impl StoreFixture for OnRedis {
    type Store = RedisStore;

    async fn empty_store(&mut self) -> RedisStore {
        let () = redis::cmd("FLUSHALL").query_async(&mut self.connection).await.unwrap();
        self.store.clone()
    }

    async fn advance(&mut self, time: Duration) {
        let mut all = redis::cmd("KEYS");
        let keys: Vec<String> = all.arg("*").query_async(&mut self.connection).await.unwrap();
        for key in keys {
            let left = self.time_left(&key).await;
            assert!(left >= 0, "{key} never expires");
            let left = left.checked_sub_unsigned(time.as_millis().try_into().unwrap()).unwrap();
            // The server deletes a key that has no time left.
            let mut set = redis::cmd("PEXPIRE");
            let set = set.arg(&key).arg(left);
            let is_set: bool = set.query_async(&mut self.connection).await.unwrap();
            assert!(is_set, "{key} is absent");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_follows_the_rules() {
    let server = RedisServer::start(&[]).unwrap();

    StoreTest::new().run(&mut OnRedis::new(&server).await).await;
}

#[tokio::test]
async fn keys_on_redis_expire() {
    let server = RedisServer::start(&[]).unwrap();
    let mut redis = OnRedis::new(&server).await;
    let store = redis.store.clone();
    let (key, owner) = (ClaimKey::new("test", [7; 32]), Owner::random());
    let mut left = async || {
        let left = redis.time_left(&format!("agentmail:{key}")).await;
        Duration::from_millis(left.try_into().unwrap())
    };
    let within = |left: Duration, from: Duration, to: Duration| from < left && left <= to;

    store.claim(key, owner, LEASE).await.unwrap();
    assert!(within(left().await, Duration::ZERO, LEASE));
    store.renew(key, owner, LEASE * 2).await.unwrap();
    assert!(within(left().await, LEASE, LEASE * 2));
    store.complete(key, owner, RETENTION).await.unwrap();
    assert!(within(left().await, LEASE * 2, RETENTION));
}
