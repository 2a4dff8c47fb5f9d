//! What the errors, the log and the check of a store on Redis say, with real servers.
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

use std::{
    error::Error,
    io::{self, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use agentmail_conformance::RedisServer;
use agentmail_dedupe::{
    ClaimError, ClaimKey, Claims, Owner, RedisCallError, RedisErrorKind, RedisStore, StoreError,
};
use futures_util::future::join_all;
use tracing_subscriber::{fmt::MakeWriter, util::SubscriberInitExt};

const PASSWORD: &str = "hu#sh/100%";
const ENCODED: &str = "hu%23sh%2F100%25";
const FRESH_FOR: Duration = Duration::from_secs(600);

fn command(url: &str, command: &str) {
    let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
    let mut words = command.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    words.for_each(|word| _ = command.arg(word));
    let () = command.query(&mut connection).unwrap();
}

fn claims_at(url: &str) -> Claims {
    Claims::new(RedisStore::new(url).unwrap())
}

/// Returns the address with a user name and password.
fn with_credentials(server: &RedisServer, credentials: &str) -> String {
    server.url().replace("redis://", &format!("redis://{credentials}@"))
}

async fn claim(claims: &Claims) -> Result<(), StoreError> {
    let message: [[u8; 16]; 2] = std::array::from_fn(|_| *Owner::random().as_bytes());
    let key = ClaimKey::from_bytes(message.concat().try_into().unwrap());
    match claims.claim(key, FRESH_FOR).await {
        Ok(claim) => {
            claim.release().await;
            Ok(())
        }
        Err(ClaimError::Unavailable(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

/// Returns the cause of an error, and its text.
fn cause(error: &StoreError) -> (RedisErrorKind, String) {
    let StoreError::Failed(error) = error else { panic!("{error:?}") };
    let error: &RedisCallError = error.downcast_ref().unwrap();
    assert!(error.source().is_none());
    let text = error.to_string();
    for shown in [text.clone(), format!("{error:?}")] {
        assert!(!shown.contains(PASSWORD) && !shown.contains(ENCODED), "{shown}");
    }
    (error.kind(), text)
}

/// Checks what a claim and a check say, while claims fail for this cause.
async fn assert_cause(name: &str, url: &str, kind: RedisErrorKind, sentence: &str) {
    let claims = claims_at(url);

    let claimed = cause(&claim(&claims).await.unwrap_err());
    assert_eq!(claimed.0, kind, "{name}: {}", claimed.1);
    assert!(claimed.1.starts_with(sentence), "{name}: {}", claimed.1);

    let failed = claims.check().await.unwrap_err();
    assert_eq!(cause(failed.store_error()).0, kind, "{name}");
    let text = failed.to_string();
    let expected = format!("messages cannot be claimed: the store failed: {sentence}");
    assert!(text.starts_with(&expected), "{name}: {text}");
    assert_eq!(format!("{failed:?}"), text, "{name}");
    assert!(!text.contains(PASSWORD) && !text.contains(ENCODED), "{name}: {text}");
    assert!(!text.contains("with args") && !text.contains("script:"), "{name}: {text}");
}

/// Checks all cases at the same time: where another server can become the primary, a call is
/// repeated until its deadline.
async fn assert_causes<const N: usize>(cases: [(&str, String, RedisErrorKind, &str); N]) {
    join_all(
        cases.iter().map(|(name, url, kind, sentence)| assert_cause(name, url, *kind, sentence)),
    )
    .await;
}

#[tokio::test]
async fn an_error_names_the_state_of_the_server() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nothing = format!("redis://:{ENCODED}@{closed}");
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = format!("redis://{}", other.local_addr().unwrap());
    thread::spawn(move || {
        for connection in other.incoming() {
            _ = connection.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let cluster = RedisServer::start_node(&[]).unwrap();
    let full = RedisServer::start(&["--maxmemory", "1kb"]).unwrap();
    let replica =
        RedisServer::start(&["--replicaof", "127.0.0.1", &closed.port().to_string()]).unwrap();
    let sentinel = RedisServer::start_sentinel(&format!(
        "sentinel monitor down 127.0.0.1 {} 2\nsentinel monitor replica 127.0.0.1 {} 2\n",
        closed.port(),
        replica.port()
    ));
    let sentinel = sentinel.unwrap();
    let stale = ["--replica-serve-stale-data", "no"];
    let stale = [&["--replicaof", "127.0.0.1", "1"][..], &stale].concat();
    let stale = RedisServer::start(&stale).unwrap();
    let lonely = RedisServer::start(&["--min-replicas-to-write", "1"]).unwrap();

    use RedisErrorKind as Kind;
    assert_causes([
        (
            "down",
            nothing.clone(),
            Kind::Unreachable,
            "the Redis server cannot be reached: Connection refused",
        ),
        (
            "an unknown host",
            format!("redis://:{ENCODED}@server.invalid"),
            Kind::Unreachable,
            "the Redis server cannot be reached: failed to lookup address",
        ),
        (
            "another server",
            http,
            Kind::MalformedResponse,
            "the response is not that of a Redis server",
        ),
        (
            "a node of a cluster",
            cluster.url(),
            Kind::Cluster,
            "the Redis server is a node of a cluster: write `redis-cluster://` in its address: \
             CLUSTERDOWN",
        ),
        (
            "a database of a cluster",
            format!("{}/1", cluster.url()),
            Kind::Cluster,
            "the Redis server is a node of a cluster: write `redis-cluster://` in its address: ERR \
             SELECT",
        ),
        (
            "a Sentinel",
            sentinel.url(),
            Kind::Sentinel,
            "the Redis server is a Sentinel: write `redis-sentinel://host:26379/NAME` as its \
             address",
        ),
        (
            "a database of a Sentinel",
            format!("{}/1", sentinel.url()),
            Kind::Sentinel,
            "the Redis server is a Sentinel: write `redis-sentinel://host:26379/NAME` as its \
             address",
        ),
        (
            "a cluster without slots",
            cluster.url().replace("redis://", "redis-cluster://"),
            Kind::ClusterDown,
            "the Redis cluster has no primary for the key at present",
        ),
        (
            "a cluster that is down",
            nothing.replace("redis://", "redis-cluster://"),
            Kind::Unreachable,
            "the Redis cluster cannot be reached: Connection refused",
        ),
        (
            "one server with the address of a cluster",
            full.url().replace("redis://", "redis-cluster://"),
            Kind::NotACluster,
            "the Redis server is not a node of a cluster: write `redis://` in its address",
        ),
        (
            "one server with the address of a Sentinel",
            full.url().replace("redis://", "redis-sentinel://") + "/name",
            Kind::NotASentinel,
            "the Redis server is not a Sentinel: write `redis://` in its address",
        ),
        (
            "Sentinels that are down",
            nothing.replace("redis://", "redis-sentinel://") + "/name",
            Kind::Unreachable,
            "the Sentinel cannot be reached: Connection refused",
        ),
        (
            "a primary that the Sentinels do not know",
            sentinel.url().replace("redis://", "redis-sentinel://") + "/name",
            Kind::UnknownPrimary,
            "the Sentinels know no primary of the name in the address",
        ),
        (
            "a primary that is down",
            sentinel.url().replace("redis://", "redis-sentinel://") + "/down",
            Kind::Unreachable,
            "the Redis server cannot be reached: Connection refused",
        ),
        (
            "a primary that is a replica",
            sentinel.url().replace("redis://", "redis-sentinel://") + "/replica",
            Kind::Replica,
            "the Redis server is a replica, and accepts no writes: READONLY You can't write",
        ),
        (
            "out of memory",
            full.url(),
            Kind::OutOfMemory,
            "the Redis server is out of memory: OOM command not allowed when used memory > \
             'maxmemory'",
        ),
        (
            "a replica",
            replica.url(),
            Kind::Replica,
            "the Redis server is a replica, and accepts no writes: READONLY You can't write",
        ),
        (
            "a replica without its primary",
            stale.url(),
            Kind::Replica,
            "the Redis server is a replica, and accepts no writes: READONLY",
        ),
        (
            "no replica",
            lonely.url(),
            Kind::WritesRefused,
            "the Redis server accepts no writes at present: NOREPLICAS",
        ),
        (
            "a database that does not exist",
            format!("{}/99", full.url()),
            Kind::InvalidDatabase,
            "the Redis server refuses the database in its address: ERR DB index is out of range",
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_error_names_what_is_wrong_with_the_credentials() {
    let server = RedisServer::start(&["--requirepass", PASSWORD]).unwrap();
    let right = with_credentials(&server, &format!(":{ENCODED}"));
    let open = RedisServer::start(&["--rename-command", "HELLO", ""]).unwrap();
    let node = RedisServer::start_node(&["--requirepass", PASSWORD]).unwrap();
    let cluster = node.url().replace("redis://", "redis-cluster://");
    let sentinel = RedisServer::start_sentinel(&format!("requirepass \"{PASSWORD}\"\n")).unwrap();
    let of_sentinel =
        |query: &str| format!("redis-sentinel://127.0.0.1:{}/name{query}", sentinel.port());
    for user in [
        "guest nopass ~agentmail:* +get +set +del +pexpire +eval",
        "reader nopass ~agentmail:* +evalsha +eval +get",
        "deleter nopass ~agentmail:* +evalsha +eval +get +set +del",
        "other nopass ~other:* +evalsha +eval +get +set +del +pexpire",
        "enough nopass ~agentmail:* +evalsha +eval +get +set +del +pexpire",
    ] {
        command(&right, &format!("ACL SETUSER {}", user.replace(" nopass", " on nopass")));
    }
    let user = |name: &str| with_credentials(&server, &format!("{name}:{ENCODED}"));

    use RedisErrorKind as Kind;
    let required = "the Redis server requires a password, and its address has none";
    let refused = "the Redis server refuses the user name or password";
    let denied = "the user of the Redis server lacks a permission";
    assert_causes([
        ("no password", server.url(), Kind::AuthenticationRequired, required),
        (
            "no password, and a database",
            format!("{}/1", server.url()),
            Kind::AuthenticationRequired,
            required,
        ),
        (
            "a wrong password",
            with_credentials(&server, ":wrong"),
            Kind::AuthenticationFailed,
            refused,
        ),
        ("an unknown user", user("nobody"), Kind::AuthenticationFailed, refused),
        (
            "a password that nobody set",
            with_credentials(&open, &format!(":{ENCODED}")),
            Kind::AuthenticationFailed,
            refused,
        ),
        (
            // The server quotes the arguments, which include the password.
            "a server that knows no HELLO",
            format!("{}?protocol=3", with_credentials(&open, &format!(":{ENCODED}"))),
            Kind::UnknownCommand,
            "the Redis server does not know a command of the store",
        ),
        (
            "a cluster, and no password",
            cluster.clone(),
            Kind::AuthenticationRequired,
            "the Redis cluster requires a password, and its address has none",
        ),
        (
            "a cluster, and a wrong password",
            cluster.replace("://", "://:wrong@"),
            Kind::AuthenticationFailed,
            "the Redis cluster refuses the user name or password",
        ),
        (
            "a cluster without slots, and the right password",
            cluster.replace("://", &format!("://:{ENCODED}@")),
            Kind::ClusterDown,
            "the Redis cluster has no primary for the key at present",
        ),
        (
            "a Sentinel, and no password",
            of_sentinel("").replace("://", &format!("://:{ENCODED}@")),
            Kind::AuthenticationRequired,
            "the Sentinel requires a password: add `?sentinel_password=…` to the address",
        ),
        (
            "a Sentinel, and a wrong password",
            of_sentinel("?sentinel_password=wrong"),
            Kind::AuthenticationFailed,
            "the Sentinel refuses the user name or password",
        ),
        (
            "a Sentinel, and the right password",
            of_sentinel(&format!("?sentinel_password={ENCODED}")),
            Kind::UnknownPrimary,
            "the Sentinels know no primary of the name in the address",
        ),
        ("no right to SET", user("reader"), Kind::PermissionDenied, denied),
        ("no right to the keys", user("other"), Kind::PermissionDenied, denied),
    ])
    .await;

    // A claim succeeds. Its renewal would not.
    for name in ["guest", "deleter"] {
        let claims = claims_at(&user(name));
        claim(&claims).await.unwrap();
        let (kind, text) = cause(claims.check().await.unwrap_err().store_error());
        assert_eq!(kind, Kind::PermissionDenied, "{name}: {text}");
    }

    claims_at(&user("enough")).check().await.unwrap();
}

#[tokio::test]
async fn a_check_finds_a_cluster_of_which_the_server_has_some_keys() {
    let server = RedisServer::start_node(&[]).unwrap();
    command(&server.url(), "CLUSTER ADDSLOTSRANGE 0 8191");

    let error = claims_at(&server.url()).check().await.unwrap_err();

    assert_eq!(cause(error.store_error()).0, RedisErrorKind::Cluster, "{error}");
}

#[tokio::test]
async fn a_check_leaves_nothing_behind() {
    let server = RedisServer::start(&[]).unwrap();
    let claims = claims_at(&server.url());

    claims.check().await.unwrap();

    let client = redis::Client::open(server.url()).unwrap();
    let keys: u64 = redis::cmd("DBSIZE").query(&mut client.get_connection().unwrap()).unwrap();
    assert_eq!(keys, 0);
    assert_eq!(claims.stats(), Default::default());
}

#[tokio::test]
async fn a_check_of_a_frozen_server_ends() {
    let server = RedisServer::start(&[]).unwrap();
    let connected = claims_at(&server.url());
    connected.check().await.unwrap();
    server.freeze().unwrap();

    for (claims, expected) in [
        (connected, "messages cannot be claimed: the store did not respond within 2s"),
        (
            claims_at(&server.url()),
            "messages cannot be claimed: the store failed: the Redis server cannot be reached: \
             timed out",
        ),
    ] {
        assert_eq!(claims.check().await.unwrap_err().to_string(), expected);
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes the lines that have been logged since the last call.
    fn lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        String::from_utf8(bytes).unwrap().lines().map(Into::into).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn each_line_of_an_outage_has_the_cause_and_the_end_is_logged_once() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone());
    let _guard = subscriber.with_ansi(false).without_time().finish().set_default();
    let mut server = RedisServer::start(&[]).unwrap();
    let claims = claims_at(&server.url());

    for is_first in [true, false] {
        server.kill().unwrap();
        if !is_first {
            // The connection has failed, and the next attempt to connect is refused.
            while claim(&claims).await.is_ok() {}
            while !cause(&claim(&claims).await.unwrap_err()).1.contains("Connection refused") {}
            log.lines();
        }
        for _ in 0..20 {
            claim(&claims).await.unwrap_err();
        }
        let lines = log.lines();
        assert_eq!(lines.len(), if is_first { 21 } else { 20 }, "{lines:#?}");
        for line in &lines {
            assert!(line.starts_with(" WARN agentmail: "), "{line}");
            assert!(line.contains("cannot be reached: Connection refused"), "{line}");
        }
        let begins = lines.iter().filter(|line| line.contains("the claim store has failed"));
        assert_eq!(begins.count(), usize::from(is_first), "{lines:#?}");

        server.resume().unwrap();
        while claim(&claims).await.is_err() {}
        claim(&claims).await.unwrap();
        let lines = log.lines();
        let ends: Vec<_> =
            lines.iter().filter(|line| line.contains("the claim store works again")).collect();
        assert_eq!(ends.len(), 1, "{lines:#?}");
        assert!(ends[0].starts_with(" INFO agentmail: "), "{lines:#?}");
        assert_eq!(lines.last(), Some(ends[0]), "{lines:#?}");
    }
}
