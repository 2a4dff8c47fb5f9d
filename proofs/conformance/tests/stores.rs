//! The store on Redis: it passes the published test of a claim store, and its keys expire.
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

use std::time::Duration;

use agentmail_conformance::{RedisCluster, RedisSentinels, RedisServer};
use agentmail_dedupe::{
    ClaimKey, ClaimStore, Owner, RedisStore,
    testing::{StoreFixture, StoreTest},
};
use redis::aio::MultiplexedConnection;

const LEASE: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(3_600);

struct OnRedis {
    store: RedisStore,
    /// To each server that has keys.
    primaries: Vec<MultiplexedConnection>,
}

impl OnRedis {
    async fn new(store: RedisStore, servers: impl IntoIterator<Item = &RedisServer>) -> Self {
        let mut primaries = Vec::new();
        for server in servers {
            let client = redis::Client::open(server.url()).unwrap();
            primaries.push(client.get_multiplexed_async_connection().await.unwrap());
        }
        Self { store, primaries }
    }

    async fn on_one_server(server: &RedisServer) -> Self {
        Self::new(RedisStore::new(&server.url()).unwrap(), [server]).await
    }
}

/// Returns in how many milliseconds a key expires. The number is negative if it never expires.
async fn time_left(primary: &mut MultiplexedConnection, key: &str) -> i64 {
    redis::cmd("PTTL").arg(key).query_async(primary).await.unwrap()
}

impl StoreFixture for OnRedis {
    type Store = RedisStore;

    async fn empty_store(&mut self) -> RedisStore {
        for primary in &mut self.primaries {
            let () = redis::cmd("FLUSHALL").query_async(primary).await.unwrap();
        }
        self.store.clone()
    }

    async fn advance(&mut self, time: Duration) {
        for primary in &mut self.primaries {
            let mut all = redis::cmd("KEYS");
            let keys: Vec<String> = all.arg("*").query_async(primary).await.unwrap();
            for key in keys {
                let left = time_left(primary, &key).await;
                assert!(left >= 0, "{key} never expires");
                let left = left.checked_sub_unsigned(time.as_millis().try_into().unwrap()).unwrap();
                // The server deletes a key that has no time left.
                let mut set = redis::cmd("PEXPIRE");
                let is_set: bool = set.arg(&key).arg(left).query_async(primary).await.unwrap();
                assert!(is_set, "{key} is absent");
            }
        }
    }
}

const WAIT: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn redis_follows_the_rules() {
    let server = RedisServer::start(&[]).unwrap();

    StoreTest::new().run(&mut OnRedis::on_one_server(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_follows_the_rules() {
    let mut cluster = RedisCluster::start().unwrap();
    let store = RedisStore::new(&cluster.url()).unwrap();

    for store in [store.clone(), store.with_wait(1, WAIT)] {
        StoreTest::new().run(&mut OnRedis::new(store, &*cluster.primaries()).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_under_sentinel_follows_the_rules() {
    let mut set = RedisSentinels::start().unwrap();
    let store = RedisStore::new(&set.url()).unwrap();

    for store in [store.clone(), store.with_wait(1, WAIT)] {
        StoreTest::new().run(&mut OnRedis::new(store, [&*set.primary()]).await).await;
    }
}

#[tokio::test]
async fn keys_on_redis_expire() {
    let server = RedisServer::start(&[]).unwrap();
    let OnRedis { store, mut primaries } = OnRedis::on_one_server(&server).await;
    let (key, owner) = (ClaimKey::new("test", [7; 32]), Owner::random());
    let mut left = async || {
        let left = time_left(&mut primaries[0], &format!("agentmail:{key}")).await;
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
