//! Claims on a cluster and on a set under Sentinel, while servers fail.
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

use std::{
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::Duration,
};

use agentmail_conformance::{RedisCluster, RedisSentinels, RedisServer};
use agentmail_dedupe::{
    Claim, ClaimError, ClaimKey, Claims, RedisCallError, RedisErrorKind, RedisStore, StoreError,
};
use futures_util::future::join_all;

const FRESH_FOR: Duration = Duration::from_secs(600);
const WAIT: Duration = Duration::from_millis(500);
/// Enough for keys on each primary of a cluster.
const MESSAGES: u8 = 60;

fn key(message: u8) -> ClaimKey {
    ClaimKey::new("test", [message; 32])
}

/// Claims a message until the store responds.
async fn claim(claims: &Claims, message: u8) -> Result<Claim, ClaimError> {
    loop {
        match claims.claim(key(message), FRESH_FOR).await {
            Err(ClaimError::Unavailable(_)) => {}
            result => return result,
        }
    }
}

async fn handle(claims: &Claims, message: u8) {
    claim(claims, message).await.unwrap().complete().await;
}

/// How a server fails.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Killed,
    Frozen,
}

impl Fault {
    fn begin(self, server: &mut RedisServer) {
        match self {
            Self::Killed => server.kill().unwrap(),
            Self::Frozen => server.freeze().unwrap(),
        }
    }
}

/// Handles messages, lets the primary fail, and sends copies. The primary stays away.
async fn fail_over(url: &str, fault: Fault, primary: &mut RedisServer) {
    let store = RedisStore::new(url).unwrap();
    let waiting = Claims::new(store.clone().with_wait(1, WAIT));
    join_all((0..MESSAGES).map(|message| handle(&waiting, message))).await;

    fault.begin(primary);
    // The new primary has no replica to wait for.
    let claims = Claims::new(store);
    let copies = join_all((0..MESSAGES).map(|message| claim(&claims, message))).await;
    for (message, copy) in copies.iter().enumerate() {
        assert!(matches!(copy, Err(ClaimError::AlreadyHandled)), "{message}: {copy:?}");
    }
    join_all((MESSAGES..2 * MESSAGES).map(|message| handle(&claims, message))).await;
    assert_eq!(claims.stats().completed, u64::from(MESSAGES));
}

#[tokio::test]
async fn the_new_primary_of_a_cluster_knows_the_handled_messages() {
    for fault in [Fault::Killed, Fault::Frozen] {
        let mut cluster = RedisCluster::start().unwrap();
        let url = cluster.url();
        fail_over(&url, fault, &mut cluster.primaries()[0]).await;
    }
}

#[tokio::test]
async fn the_new_primary_under_sentinel_knows_the_handled_messages() {
    for fault in [Fault::Killed, Fault::Frozen] {
        let mut set = RedisSentinels::start().unwrap();
        let url = set.url();
        // A lookup does not wait for a Sentinel that does not respond.
        set.sentinels()[0].freeze().unwrap();
        fail_over(&url, fault, set.primary()).await;
    }
}

/// Returns how often a command was called.
fn calls(server: &RedisServer, command: &str) -> u64 {
    let stats = server.query("INFO commandstats").unwrap();
    let prefix = format!("cmdstat_{command}:calls=");
    let count = stats.lines().find_map(|line| line.strip_prefix(&prefix));
    count.map_or(0, |count| count.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_message_takes_two_round_trips_on_each_topology() {
    let mut cluster = RedisCluster::start().unwrap();
    let mut set = RedisSentinels::start().unwrap();
    for (name, url, servers) in [
        ("a cluster", cluster.url(), cluster.primaries()),
        ("a set", set.url(), std::slice::from_mut(set.primary())),
    ] {
        let claims = Claims::new(RedisStore::new(&url).unwrap());
        // These also connect.
        join_all((0..MESSAGES).map(|message| handle(&claims, message))).await;
        // A `SET` claims a message, and another one records it.
        let count = |command| servers.iter().map(|it| calls(it, command)).sum::<u64>();
        let before = [count("set"), count("evalsha")];

        join_all((MESSAGES..2 * MESSAGES).map(|message| handle(&claims, message))).await;

        let messages = u64::from(MESSAGES);
        let after = [before[0] + 2 * messages, before[1]];
        assert_eq!([count("set"), count("evalsha")], after, "{name}");
    }
}

#[tokio::test]
async fn claims_that_wait_at_the_same_time_share_a_wait() {
    let mut set = RedisSentinels::start().unwrap();
    let claims = Claims::new(RedisStore::new(&set.url()).unwrap().with_wait(1, WAIT));
    handle(&claims, u8::MAX).await;
    let (written, waited) = (calls(set.primary(), "set"), calls(set.primary(), "wait"));

    join_all((0..200).map(|message| handle(&claims, message))).await;

    assert_eq!(calls(set.primary(), "set") - written, 400);
    let waits = calls(set.primary(), "wait") - waited;
    assert!((1..100).contains(&waits), "{waits}");
}

#[tokio::test]
async fn without_enough_replicas_a_claim_is_refused_and_released() {
    let mut set = RedisSentinels::start().unwrap();
    let claims = Claims::new(RedisStore::new(&set.url()).unwrap().with_wait(1, WAIT));
    handle(&claims, 0).await;
    let running = claim(&claims, 1).await.unwrap();
    set.replica().freeze().unwrap();

    let error = claims.claim(key(2), FRESH_FOR).await.unwrap_err();
    let ClaimError::Unavailable(StoreError::Failed(error)) = error else { panic!("{error:?}") };
    let error: &RedisCallError = error.downcast_ref().unwrap();
    assert_eq!(error.kind(), RedisErrorKind::TooFewReplicas);
    assert_eq!(
        error.to_string(),
        "too few replicas of the Redis server have the write: 0 of 1 within 500ms"
    );
    // The claim was made at the primary, and is released there.
    let name = format!("EXISTS agentmail:{}", key(2));
    while set.primary().query(&name).unwrap() != "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A copy of a handled message changes nothing, so replicas need not confirm it.
    let copy = claims.claim(key(0), FRESH_FOR).await;
    assert!(matches!(copy, Err(ClaimError::AlreadyHandled)), "{copy:?}");

    // A record is tried again until a replica has it.
    running.complete().await;
    let before = claims.stats();
    assert_eq!((before.completions_deferred, before.completed), (1, 1));
    set.replica().thaw().unwrap();
    claims.drain().await;
    assert_eq!(claims.stats().completed, 2);
    handle(&claims, 2).await;
}

#[tokio::test]
async fn a_store_that_does_not_wait_needs_no_replica() {
    let mut set = RedisSentinels::start().unwrap();
    let claims = Claims::new(RedisStore::new(&set.url()).unwrap());
    set.replica().kill().unwrap();

    handle(&claims, 0).await;

    assert_eq!(calls(set.primary(), "wait"), 0);
}

#[tokio::test]
async fn the_sentinel_that_knows_the_latest_failover_decides() {
    let (old, new) = (RedisServer::start(&[]).unwrap(), RedisServer::start(&[]).unwrap());
    let sentinel = |primary: &RedisServer, epoch: u8| {
        let monitor = format!("sentinel monitor name 127.0.0.1 {} 2\n", primary.port());
        let epoch = format!("sentinel config-epoch name {epoch}\n");
        RedisServer::start_sentinel(&(monitor + &epoch)).unwrap()
    };
    let (stale, current) = (sentinel(&old, 1), sentinel(&new, 2));
    let host = |sentinel: &RedisServer| format!("127.0.0.1:{}", sentinel.port());
    let (stale, current) = (host(&stale), host(&current));

    for message in 0..20 {
        let hosts = if message < 10 { [&stale, &current] } else { [&current, &stale] };
        let url = format!("redis-sentinel://{},{}/name", hosts[0], hosts[1]);
        handle(&Claims::new(RedisStore::new(&url).unwrap()), message).await;
    }

    assert_eq!((calls(&old, "set"), calls(&new, "set")), (0, 40));
}

#[tokio::test]
async fn an_old_primary_that_was_frozen_gets_no_writes_when_it_continues() {
    let (old, new) = (RedisServer::start(&[]).unwrap(), RedisServer::start(&[]).unwrap());
    let monitor =
        |server: &RedisServer| format!("sentinel monitor name 127.0.0.1 {} 2", server.port());
    let sentinel = RedisServer::start_sentinel(&(monitor(&old) + "\n")).unwrap();
    let url = format!("redis-sentinel://127.0.0.1:{}/name", sentinel.port());
    let claims = Claims::new(RedisStore::new(&url).unwrap());
    old.freeze().unwrap();
    let handled = tokio::spawn(async move { handle(&claims, 0).await });
    // The connection to the frozen server has begun.
    tokio::time::sleep(Duration::from_millis(200)).await;

    sentinel.query("sentinel remove name").unwrap();
    sentinel.query(&monitor(&new)).unwrap();
    old.thaw().unwrap();

    handled.await.unwrap();
    assert_eq!((calls(&old, "set"), calls(&new, "set")), (0, 2));
}

/// The rights in docs/dedupe.md.
const RIGHTS: &str = "~agentmail:* +evalsha +eval +get +set +del +pexpire +info +wait";

#[tokio::test]
async fn the_documented_rights_are_enough_on_each_topology() {
    let cluster = RedisCluster::start().unwrap();
    for node in cluster.nodes() {
        let rights = format!("{RIGHTS} +cluster|slots +ping +asking");
        node.query(&format!("ACL SETUSER receiver on >hush {rights}")).unwrap();
        node.query("ACL SETUSER default off").unwrap();
    }
    let mut set = RedisSentinels::start().unwrap();
    set.primary().query(&format!("ACL SETUSER receiver on >hush {RIGHTS}")).unwrap();
    for sentinel in set.sentinels() {
        let rights = "ACL SETUSER watcher on >hush2 +sentinel|get-master-addr-by-name \
                      +sentinel|master";
        sentinel.query(rights).unwrap();
        sentinel.query("ACL SETUSER default off").unwrap();
    }
    for url in
        [cluster.url(), format!("{}?sentinel_username=watcher&sentinel_password=hush2", set.url())]
    {
        let url = url.replace("://", "://receiver:hush@");
        let claims = Claims::new(RedisStore::new(&url).unwrap().with_wait(1, WAIT));
        claims.check().await.unwrap();
        handle(&claims, 0).await;
    }
}

/// A server that forwards each connection to a port, which the test can change.
struct Forwarder {
    port: u16,
    target: Arc<AtomicU16>,
}

impl Forwarder {
    fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = Arc::new(AtomicU16::new(target));
        let current = Arc::clone(&target);
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let port = current.load(Ordering::Relaxed);
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                for (mut from, mut to) in
                    [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)]
                {
                    // It ends when one of the two closes the connection.
                    thread::spawn(move || std::io::copy(&mut from, &mut to));
                }
            }
        });
        Self { port, target }
    }
}

/// Starts a cluster of one node.
fn small_cluster() -> RedisServer {
    let node = RedisServer::start_node(&[]).unwrap();
    node.query("CLUSTER ADDSLOTSRANGE 0 16383").unwrap();
    while !node.query("CLUSTER INFO").unwrap().contains("cluster_state:ok") {
        thread::sleep(Duration::from_millis(20));
    }
    node
}

#[tokio::test]
async fn a_cluster_whose_nodes_all_have_new_addresses_is_found_again() {
    let (mut old, new) = (small_cluster(), small_cluster());
    let name = Forwarder::start(old.port());
    let url = format!("redis-cluster://127.0.0.1:{}", name.port);
    let claims = Claims::new(RedisStore::new(&url).unwrap());
    handle(&claims, 0).await;

    // As when the name of the cluster leads to other addresses.
    name.target.store(new.port(), Ordering::Relaxed);
    old.kill().unwrap();
    handle(&claims, 1).await;

    assert_eq!(new.query("DBSIZE").unwrap(), "1");
}
