//! The store on PostgreSQL, on real servers that the tests start.
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

use std::{fs, time::Duration};

use agentmail_inbox::{
    Counts, Filter, Finish, InboxStore, LeaseState, MessageKey, NewMessage, Outcome, Page,
    PostgresConfig, PostgresErrorKind, PostgresStore, Pruning, RowId, State, Stored, Take,
    TakeToken, Taken,
};
use agentmail_inbox_proofs::PostgresServer;
use tokio::time;

const LEASE: Duration = Duration::from_secs(60);

fn message(number: u32) -> NewMessage {
    let body = format!("body {number}");
    NewMessage::new(key(number), "mail.received", body).with_agent_id("agent")
}

fn key(number: u32) -> MessageKey {
    MessageKey::of_mail("agent", &number.to_string())
}

async fn store_all(store: &PostgresStore, numbers: std::ops::Range<u32>) {
    for stored in store.store(numbers.map(message).collect()).await.unwrap() {
        assert_eq!(stored.unwrap(), Stored::New);
    }
}

async fn take(store: &PostgresStore, limit: usize) -> Vec<Taken> {
    store.take(Take::new(TakeToken::random(), limit, LEASE)).await.unwrap()
}

async fn finish(store: &PostgresStore, taken: &[Taken], outcome: &Outcome) {
    let finished = taken.iter().map(|taken| Finish::new(taken.lease(), outcome.clone())).collect();
    assert_eq!(store.finish(finished).await.unwrap(), vec![LeaseState::Held; taken.len()]);
}

fn counts(waiting: u64, taken: u64, done: u64, dead: u64) -> Counts {
    Counts::default()
        .with(State::Waiting, waiting)
        .with(State::Taken, taken)
        .with(State::Done, done)
        .with(State::Dead, dead)
}

async fn kind_of_refusal(address: &str) -> PostgresErrorKind {
    let error = PostgresStore::connect(address).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
    error.kind()
}

#[tokio::test]
async fn a_batch_is_stored_in_its_order_and_a_copy_is_known() {
    let server = PostgresServer::start(&[]).unwrap();
    let store = PostgresStore::connect(&server.url()).await.unwrap();

    let stored = store.store(vec![message(2), message(1), message(2), message(3)]).await.unwrap();
    let stored: Vec<_> = stored.into_iter().map(Result::unwrap).collect();
    assert_eq!(stored, [Stored::New, Stored::New, Stored::Known, Stored::New]);

    let ids: Vec<_> = store
        .list(Filter::new(), Page::first(9))
        .await
        .unwrap()
        .iter()
        .map(|row| row.key)
        .collect();
    assert_eq!(ids, [Some(key(2)), Some(key(1)), Some(key(3))]);
}

#[tokio::test]
async fn a_message_that_fails_by_itself_does_not_fail_its_batch() {
    let server = PostgresServer::start(&[]).unwrap();
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    server.sql("ALTER TABLE agentmail_inbox ADD CHECK (kind <> 'refused')").unwrap();

    let refused = NewMessage::new(key(7), "refused", "body");
    let stored = store.store(vec![message(1), refused, message(2)]).await.unwrap();

    let stored: Vec<_> = stored.into_iter().map(Result::ok).collect();
    assert_eq!(stored, [Some(Stored::New), None, Some(Stored::New)]);
}

#[tokio::test]
async fn no_statement_of_a_worker_reads_the_whole_table() {
    let server = PostgresServer::start(&[]).unwrap();
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    for first in (0..20_000).step_by(1_000) {
        store_all(&store, first..first + 1_000).await;
    }
    server.sql("VACUUM ANALYZE agentmail_inbox").unwrap();
    drop(store);
    // A connection reports what it has read when it closes.
    let scans = async || {
        let others = "SELECT count(*) FROM pg_stat_activity
                      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        while server.sql(others).unwrap().trim() != "0" {
            time::sleep(Duration::from_millis(10)).await;
        }
        let scans = "SELECT seq_scan, idx_scan > 100 FROM pg_stat_user_tables
                     WHERE relname = 'agentmail_inbox'";
        server.sql(scans).unwrap()
    };
    let before = scans().await;

    let store = PostgresStore::connect(&server.url()).await.unwrap();
    for _ in 0..10 {
        let taken = take(&store, 16).await;
        let leases = taken.iter().map(Taken::lease).collect();
        let renewed = store.renew(leases, LEASE).await.unwrap();
        assert_eq!(renewed, [LeaseState::Held; 16]);
        finish(&store, &taken, &Outcome::Done).await;
        store.prune(Pruning::new(Duration::ZERO)).await.unwrap();
    }
    drop(store);

    let (scans_before, _) = before.split_once('|').unwrap();
    assert_eq!(scans().await.trim(), format!("{scans_before}|t"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_take_each_message_once() {
    let server = PostgresServer::start(&[]).unwrap();
    let stores = [
        PostgresStore::connect(&server.url()).await.unwrap(),
        PostgresStore::connect(&server.url()).await.unwrap(),
    ];
    store_all(&stores[0], 0..1_000).await;

    let drains = [0, 1, 0, 1].map(|at: usize| {
        let store = stores[at].clone();
        tokio::spawn(async move {
            let mut ids = Vec::new();
            loop {
                let taken = take(&store, 16).await;
                if taken.is_empty() {
                    return ids;
                }
                ids.extend(taken.iter().map(|taken| taken.lease().id()));
                finish(&store, &taken, &Outcome::Done).await;
            }
        })
    });
    let mut ids = Vec::new();
    for drain in drains {
        ids.extend(drain.await.unwrap());
    }

    assert_eq!(ids.len(), 1_000);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1_000);
    assert_eq!(stores[0].counts().await.unwrap(), counts(0, 0, 1_000, 0));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_dead_and_blocks_nobody() {
    let mut server = PostgresServer::start(&["autovacuum=off"]).unwrap();
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store_all(&store, 0..4).await;
    // A large body is kept outside of the row. The server cannot find it any more.
    let noise: String = (0..50_000).map(|_| fastrand::alphanumeric()).collect();
    store.store(vec![NewMessage::new(key(9), "mail.received", noise)]).await.unwrap();
    server.sql("UPDATE agentmail_inbox SET message_key = 'short' WHERE id = 2").unwrap();
    server.sql("UPDATE agentmail_inbox SET attempts = -7 WHERE id = 3").unwrap();
    server.sql("UPDATE agentmail_inbox SET due_at = now() - interval '1 h' WHERE id = 5").unwrap();
    let file = server
        .sql(
            "CHECKPOINT; SELECT pg_relation_filepath(reltoastrelid) FROM pg_class \
              WHERE relname = 'agentmail_inbox'",
        )
        .unwrap();
    server.stop().unwrap();
    fs::File::options().write(true).open(server.folder().join(file)).unwrap().set_len(0).unwrap();
    server.resume().unwrap();
    let store = PostgresStore::connect(&server.url()).await.unwrap();

    let taken = take(&store, 4).await;

    let ids: Vec<_> = taken.iter().map(|taken| taken.lease().id().get()).collect();
    assert_eq!(ids, [1, 4]);
    for (id, reason) in
        [(2, "the key is not 32 bytes long"), (3, "`attempts` is negative"), (5, "SQLSTATE XX")]
    {
        let rows = store.list(Filter::new().with_id(RowId::new(id)), Page::first(1)).await.unwrap();
        assert_eq!(rows[0].state, State::Dead, "{id}");
        let shown = rows[0].reason.as_deref().unwrap();
        assert!(shown.contains(reason), "{shown}");
    }
}

#[tokio::test]
async fn a_server_that_can_lose_messages_is_refused() {
    let server = PostgresServer::start(&["fsync=off"]).unwrap();

    assert_eq!(kind_of_refusal(&server.url()).await, PostgresErrorKind::FsyncOff);
}

#[tokio::test]
async fn a_role_with_asynchronous_commits_does_not_matter() {
    let server = PostgresServer::start(&[]).unwrap();
    server
        .sql(
            "CREATE ROLE app LOGIN; ALTER ROLE app SET synchronous_commit = off; \
              GRANT ALL ON SCHEMA public TO app",
        )
        .unwrap();

    let store = PostgresStore::connect(&server.url_of("app")).await.unwrap();

    store_all(&store, 0..1).await;
}

#[tokio::test]
async fn each_wrong_setup_is_an_error_at_the_start() {
    let mut server = PostgresServer::start(&[]).unwrap();
    server.sql("CREATE ROLE few LOGIN CONNECTION LIMIT 0; CREATE ROLE app LOGIN").unwrap();
    let url = server.url();

    for (name, address, kind) in [
        (
            "database",
            url.replace("dbname=postgres", "dbname=none"),
            PostgresErrorKind::UnknownDatabase,
        ),
        ("role", server.url_of("none"), PostgresErrorKind::Authentication),
        ("no rights", server.url_of("app"), PostgresErrorKind::Permission),
        ("no connection left", server.url_of("few"), PostgresErrorKind::TooManyConnections),
        (
            "nobody listens",
            "postgres://app:hush@127.0.0.1:1/app".into(),
            PostgresErrorKind::Unreachable,
        ),
        (
            "no such host",
            "postgres://app:hush@host.invalid/app".into(),
            PostgresErrorKind::Unreachable,
        ),
        ("malformed", "postgres://app:hush@localhost:port/app".into(), PostgresErrorKind::Address),
    ] {
        assert_eq!(kind_of_refusal(&address).await, kind, "{name}");
    }
    server.stop().unwrap();
    assert_eq!(kind_of_refusal(&url).await, PostgresErrorKind::Unreachable);
}

#[tokio::test]
async fn tables_of_a_newer_release_are_refused_and_left_alone() {
    let server = PostgresServer::start(&[]).unwrap();
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store_all(&store, 0..1).await;
    server.sql("INSERT INTO agentmail_inbox_schema (version) VALUES (99)").unwrap();

    let error = PostgresStore::connect(&server.url()).await.unwrap_err();

    assert_eq!(error.kind(), PostgresErrorKind::NewerSchema);
    assert!(error.to_string().contains("version is 99"), "{error}");
    assert_eq!(server.sql("SELECT count(*) FROM agentmail_inbox").unwrap(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_the_same_time_create_the_tables_once() {
    let server = PostgresServer::start(&[]).unwrap();

    let starts: Vec<_> = (0..6)
        .map(|_| {
            let url = server.url();
            tokio::spawn(async move { PostgresStore::connect(&url).await.map(drop) })
        })
        .collect();
    for start in starts {
        start.await.unwrap().unwrap();
    }

    assert_eq!(server.sql("SELECT count(*) FROM agentmail_inbox_schema").unwrap(), "1");
}

#[tokio::test]
async fn tables_can_be_created_by_another_user() {
    let server = PostgresServer::start(&[]).unwrap();
    server.sql("CREATE ROLE app LOGIN").unwrap();
    let config = || PostgresConfig::new(&server.url_of("app")).unwrap().without_migrations();
    assert_eq!(config().connect().await.unwrap_err().kind(), PostgresErrorKind::Schema);

    let versions = "CREATE TABLE agentmail_inbox_schema (version integer PRIMARY KEY, \
                    applied_at timestamptz NOT NULL DEFAULT now());";
    for (number, migration) in PostgresStore::migrations().iter().enumerate() {
        let insert = format!("INSERT INTO agentmail_inbox_schema VALUES ({})", number + 1);
        server.sql(&format!("{versions} {migration}; {insert}")).unwrap();
    }
    server
        .sql(
            "GRANT SELECT ON agentmail_inbox_schema TO app; \
              GRANT SELECT, INSERT, UPDATE, DELETE ON agentmail_inbox TO app; \
              GRANT USAGE ON SEQUENCE agentmail_inbox_id_seq TO app",
        )
        .unwrap();

    let store = config().connect().await.unwrap();
    store_all(&store, 0..3).await;
    finish(&store, &take(&store, 3).await, &Outcome::Done).await;
    assert_eq!(store.prune(Pruning::new(Duration::ZERO)).await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_exhausted_fails_in_time_and_recovers() {
    let server = PostgresServer::start(&[]).unwrap();
    let config = PostgresConfig::new(&server.url()).unwrap();
    let config = config.with_connections(1).with_deadline(Duration::from_millis(1_000));
    let store = config.connect().await.unwrap();
    // The only connection waits for a lock.
    let lock = "BEGIN; LOCK TABLE agentmail_inbox; SELECT pg_sleep(3); COMMIT";
    let holder = std::thread::spawn({
        let url = server.url();
        move || lock_for(&url, lock)
    });
    while server
        .sql(
            "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation \
                      = 'agentmail_inbox'::regclass",
        )
        .unwrap()
        == "0"
    {
        time::sleep(Duration::from_millis(20)).await;
    }

    let mut kinds = Vec::new();
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.take(Take::new(TakeToken::random(), 1, LEASE)).await })
        })
        .collect();
    for call in calls {
        let error = call.await.unwrap().unwrap_err();
        kinds.push(error.downcast_ref::<agentmail_inbox::PostgresError>().unwrap().kind());
    }

    assert!(kinds.contains(&PostgresErrorKind::TimedOut), "{kinds:?}");
    assert!(kinds.contains(&PostgresErrorKind::PoolExhausted), "{kinds:?}");
    holder.join().unwrap();
    store_all(&store, 0..1).await;
    assert_eq!(take(&store, 1).await.len(), 1);
}

#[tokio::main(flavor = "current_thread")]
async fn lock_for(url: &str, script: &str) {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(script).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_used_again_and_nothing_is_lost() {
    let mut server = PostgresServer::start(&[]).unwrap();
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store_all(&store, 0..5).await;

    for round in 0..2 {
        if round == 0 {
            server.stop().unwrap();
        } else {
            server.kill().unwrap();
        }
        assert!(store.store(vec![message(100)]).await.is_err());
        server.resume().unwrap();
        while store.counts().await.is_err() {
            time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(store.counts().await.unwrap(), counts(5, 0, 0, 0));
    }

    assert_eq!(take(&store, 9).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_uses_up_no_attempt_of_a_message_that_nobody_got() {
    let server = PostgresServer::start(&[]).unwrap();
    let config = PostgresConfig::new(&server.url()).unwrap();
    let config = config.with_connections(1).with_deadline(Duration::from_secs(2));
    let store = config.connect().await.unwrap();
    store_all(&store, 0..3).await;

    for _ in 0..4 {
        // The connection knows the statement, so that the next call sends nothing else.
        let mut taken = Vec::new();
        while taken.is_empty() {
            taken = store.take(Take::new(TakeToken::random(), 3, LEASE)).await.unwrap_or_default();
            time::sleep(Duration::from_millis(50)).await;
        }
        finish(&store, &taken, &Outcome::Returned).await;
        // The server reads the statement after our side has given up.
        server.freeze().unwrap();
        let lost = store.take(Take::new(TakeToken::random(), 3, LEASE)).await.unwrap_err();
        assert!(lost.to_string().contains("does not respond in time"), "{lost}");
        server.thaw().unwrap();
        time::sleep(Duration::from_millis(200)).await;
    }

    // A worker looks again and again, and gets them as if the takes had never been.
    let mut taken = Vec::new();
    while taken.len() < 3 {
        let take = Take::new(TakeToken::random(), 3, LEASE);
        taken.extend(store.take(take).await.unwrap_or_default());
        time::sleep(Duration::from_millis(50)).await;
    }
    let attempts: Vec<_> = taken.iter().map(Taken::attempt).collect();
    assert_eq!(attempts, [1, 1, 1]);
    finish(&store, &taken, &Outcome::Done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_take_returns_what_the_lost_one_took() {
    let server = PostgresServer::start(&[]).unwrap();
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store_all(&store, 0..5).await;
    let token = TakeToken::random();
    let first = store.take(Take::new(token, 2, LEASE)).await.unwrap();

    let again = store.take(Take::new(token, 2, LEASE).repeated()).await.unwrap();

    // Time has passed since the first take, so the ages differ.
    let without_age = |taken: &[Taken]| -> Vec<_> {
        let each = taken.iter();
        each.map(|taken| (taken.lease(), taken.key(), taken.body().clone())).collect()
    };
    assert_eq!(without_age(&first), without_age(&again));
    assert_eq!(again.iter().map(Taken::attempt).collect::<Vec<_>>(), [1, 1]);
    // It stays theirs while messages of lost takes are returned.
    time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(take(&store, 9).await.len(), 3);
    finish(&store, &again, &Outcome::Done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_another_process_wakes_up_a_worker() {
    let mut server = PostgresServer::start(&[]).unwrap();
    let [here, there] = [
        PostgresStore::connect(&server.url()).await.unwrap(),
        PostgresStore::connect(&server.url()).await.unwrap(),
    ];
    for restarts in [false, true] {
        if restarts {
            server.kill().unwrap();
            server.resume().unwrap();
            while there.counts().await.is_err() {}
        }
        // It wakes up each time when it begins to listen.
        time::timeout(Duration::from_secs(30), here.changed()).await.unwrap();
        let mut wakes = 0;
        while time::timeout(Duration::from_millis(300), here.changed()).await.is_ok() {
            wakes += 1;
            assert!(wakes < 10, "woken up again and again without a reason");
        }

        store_all(&there, if restarts { 10..20 } else { 0..10 }).await;

        time::timeout(Duration::from_secs(30), here.changed()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_cannot_extend_its_tables_fails_the_call_and_loses_nothing() {
    let mut server = PostgresServer::start(&[]).unwrap();
    server.stop().unwrap();
    server.limit_files(Some(20));
    server.resume().unwrap();
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1_000_000).collect();
    let large = |number| NewMessage::new(key(number), "mail.received", noise.clone());

    let mut stored = 0;
    let error = loop {
        match store.store(vec![large(stored)]).await {
            Ok(results) => assert!(results.iter().all(Result::is_ok), "{results:?}"),
            Err(error) => break error,
        }
        stored += 1;
        assert!(stored < 100, "the limit has no effect");
    };

    assert!(error.to_string().contains("could not extend file"), "{error}");
    assert_eq!(store.counts().await.unwrap().waiting, u64::from(stored));
    server.stop().unwrap();
    server.limit_files(None);
    server.resume().unwrap();
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    store.store(vec![large(stored)]).await.unwrap().remove(0).unwrap();
    let mut left = usize::try_from(stored).unwrap() + 1;
    // A few at a time, because each is a megabyte.
    while left > 0 {
        let taken = take(&store, 2).await.len();
        assert!((1..=left).contains(&taken), "{taken} of {left}");
        left -= taken;
    }
    assert!(take(&store, 2).await.is_empty());
}

#[tokio::test]
async fn a_full_disk_and_a_standby_have_their_own_kinds() {
    let server = PostgresServer::start(&[]).unwrap();
    let store = PostgresStore::connect(&server.url()).await.unwrap();
    let kind = async || {
        let error = store.store(vec![message(0)]).await.unwrap_err();
        error.downcast_ref::<agentmail_inbox::PostgresError>().unwrap().kind()
    };

    // A trigger raises the error that PostgreSQL raises for ENOSPC.
    server
        .sql(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \
              $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$",
        )
        .unwrap();
    server
        .sql("CREATE TRIGGER fails BEFORE INSERT ON agentmail_inbox EXECUTE FUNCTION fail()")
        .unwrap();
    assert_eq!(kind().await, PostgresErrorKind::OutOfSpace);

    server.sql("ALTER SYSTEM SET default_transaction_read_only = on").unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    while kind().await != PostgresErrorKind::ReadOnly {}

    server.sql("BEGIN READ WRITE; DROP TRIGGER fails ON agentmail_inbox; COMMIT").unwrap();
    server.sql("ALTER SYSTEM RESET default_transaction_read_only").unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    while store.store(vec![message(0)]).await.is_err() {}
    assert_eq!(take(&store, 9).await.len(), 1);
}
