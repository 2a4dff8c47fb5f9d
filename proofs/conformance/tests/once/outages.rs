//! What happens when the store fails.

use std::{thread, time::Duration};

use agentmail_conformance::RedisServer;
use agentmail_receive::{
    MessageKey,
    dedupe::{ClaimKey, Claims, ClaimsConfig, DedupeStats, MemoryStore, RedisStore},
};

use super::{
    client::{Response, SECRET, begin, mail, read, send},
    handler::{Action, TestHandler, until},
    server::{ADAPTERS, Adapter, serve},
};

fn on_redis(options: &[&str], scenario: impl Fn(Adapter, RedisServer, Claims)) {
    on_redis_with(ClaimsConfig::default(), options, scenario);
}

fn on_redis_with(
    config: ClaimsConfig,
    options: &[&str],
    scenario: impl Fn(Adapter, RedisServer, Claims),
) {
    for adapter in ADAPTERS {
        println!("{adapter:?}");
        let server = RedisServer::start(options).unwrap();
        let store = RedisStore::new(&server.url()).unwrap();
        let claims = Claims::with_config(store, config.clone());
        scenario(adapter, server, claims);
    }
}

fn query<T: redis::FromRedisValue>(server: &RedisServer, command: &[&str]) -> T {
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    redis::cmd(command[0]).arg(&command[1..]).query(&mut connection).unwrap()
}

/// Sends until the store responds again.
fn send_until_up(to: std::net::SocketAddr, body: &str) -> Response {
    loop {
        let response = send(to, body);
        if response != Response::later() {
            return response;
        }
    }
}

#[test]
fn a_delivery_is_refused_and_not_handled_while_the_store_is_down() {
    on_redis(&[], |adapter, mut server, claims| {
        let handler = TestHandler::default();
        let address = serve(adapter, claims.clone(), "test", &handler);
        assert_eq!(send(address, &mail("a")), Response::OK);

        server.kill().unwrap();
        for _ in 0..3 {
            assert_eq!(send(address, &mail("b")), Response::later());
        }
        assert_eq!(handler.begun("b"), 0);
        assert_eq!(claims.stats().unavailable, 3);

        server.resume().unwrap();
        assert_eq!(send_until_up(address, &mail("b")), Response::OK);
        assert_eq!(handler.begun("b"), 1);
    });
}

#[test]
fn a_store_that_is_down_at_the_start_is_used_once_it_is_up() {
    on_redis(&[], |adapter, mut server, claims| {
        server.kill().unwrap();
        let handler = TestHandler::default();
        let address = serve(adapter, claims, "test", &handler);
        assert_eq!(send(address, &mail("a")), Response::later());

        server.resume().unwrap();

        assert_eq!(send_until_up(address, &mail("a")), Response::OK);
        assert_eq!(handler.begun("a"), 1);
    });
}

#[test]
fn a_frozen_store_is_503_and_its_late_claims_are_released() {
    // The lease does not end while this test runs.
    let config = ClaimsConfig::default().with_lease(Duration::from_secs(24 * 3_600)).unwrap();
    on_redis_with(config, &[], |adapter, server, claims| {
        let handler = TestHandler::default();
        let address = serve(adapter, claims, "test", &handler);
        assert_eq!(send(address, &mail("a")), Response::OK);

        server.freeze().unwrap();
        // The server carries out this claim when it continues. It is then released.
        assert_eq!(send(address, &mail("b")), Response::later());
        assert_eq!(handler.begun("b"), 0);
        server.thaw().unwrap();

        assert_eq!(send_until_up(address, &mail("b")), Response::OK);
        assert_eq!(handler.begun("b"), 1);
    });
}

#[test]
fn a_store_that_is_out_of_memory_is_503() {
    on_redis(&["--maxmemory", "1kb"], |adapter, server, claims| {
        let handler = TestHandler::default();
        let address = serve(adapter, claims, "test", &handler);

        assert_eq!(send(address, &mail("a")), Response::later());
        assert_eq!(handler.begun("a"), 0);

        query::<()>(&server, &["CONFIG", "SET", "maxmemory", "0"]);
        assert_eq!(send_until_up(address, &mail("a")), Response::OK);
        assert_eq!(handler.begun("a"), 1);
    });
}

#[test]
fn a_full_memory_store_refuses_new_messages_only() {
    for adapter in ADAPTERS {
        let handler = TestHandler::default();
        let address = serve(adapter, Claims::new(MemoryStore::with_capacity(2)), "test", &handler);
        for message in ["a", "b"] {
            assert_eq!(send(address, &mail(message)), Response::OK);
        }

        assert_eq!(send(address, &mail("c")), Response::later());
        assert_eq!(send(address, &mail("a")), Response::OK);
        assert_eq!((handler.begun("a"), handler.begun("c")), (1, 0));
    }
}

#[test]
fn a_completion_that_failed_is_recorded_within_the_lease() {
    on_redis(&["--appendonly", "yes", "--appendfsync", "always"], |adapter, mut server, claims| {
        let handler = TestHandler::default();
        handler.set_actions("a", &[Action::Wait]);
        let address = serve(adapter, claims.clone(), "test", &handler);
        let mut connection = begin(address, SECRET, &mail("a"));
        until(|| handler.begun("a") == 1);

        server.kill().unwrap();
        handler.unblock();
        assert_eq!(read(&mut connection).unwrap(), Response::OK, "it does not wait for the store");
        until(|| claims.stats().completions_deferred == 1);
        server.resume().unwrap();
        until(|| claims.stats().completed == 1);

        assert_eq!(send(address, &mail("a")), Response::OK);
        assert_eq!(handler.begun("a"), 1);
    });
}

#[test]
fn a_late_completion_is_recorded_and_counted_as_lost_if_another_claim_has_the_message() {
    on_redis(&[], |adapter, server, claims| {
        let key = ClaimKey::new("test", MessageKey::of_mail("my-agent", "a"));
        let name = format!("agentmail:{key}");
        for taken_over in [false, true] {
            let handler = TestHandler::default();
            handler.set_actions("a", &[Action::Wait]);
            let address = serve(adapter, claims.clone(), "test", &handler);
            query::<()>(&server, &["FLUSHALL"]);
            let mut connection = begin(address, SECRET, &mail("a"));
            until(|| handler.begun("a") == 1);

            // The lease ends. In the second round, another process then claims the message.
            query::<()>(&server, &["DEL", &name]);
            if taken_over {
                query::<()>(&server, &["SET", &name, "claimed:another"]);
            }
            let before = claims.stats();
            handler.unblock();

            assert_eq!(read(&mut connection).unwrap(), Response::OK);
            let ended = |stats: DedupeStats| stats.completed + stats.lost;
            until(|| ended(claims.stats()) > ended(before));
            let value: String = query(&server, &["GET", &name]);
            assert!(value.starts_with("handled:"), "{value}");
            assert_eq!(claims.stats().lost - before.lost, u64::from(taken_over));
        }
    });
}

#[test]
fn a_message_is_handled_again_after_the_server_lost_its_data() {
    on_redis(&[], |adapter, mut server, claims| {
        let handler = TestHandler::default();
        let address = serve(adapter, claims.clone(), "test", &handler);
        assert_eq!(send(address, &mail("a")), Response::OK);
        until(|| claims.stats().completed == 1);

        server.kill().unwrap();
        server.resume().unwrap();

        assert_eq!(send_until_up(address, &mail("a")), Response::OK);
        assert_eq!(handler.begun("a"), 2, "nothing was stored, as the docs warn");
    });
}

#[test]
fn an_append_only_file_survives_a_kill() {
    on_redis(&["--appendonly", "yes", "--appendfsync", "always"], |adapter, mut server, claims| {
        let handler = TestHandler::default();
        let address = serve(adapter, claims.clone(), "test", &handler);
        assert_eq!(send(address, &mail("a")), Response::OK);
        until(|| claims.stats().completed == 1);

        server.kill().unwrap();
        server.resume().unwrap();

        assert_eq!(send_until_up(address, &mail("a")), Response::OK);
        assert_eq!(handler.begun("a"), 1);
    });
}

#[test]
fn handling_without_a_claim_is_an_option_and_is_counted() {
    let config = ClaimsConfig::default().danger_handle_unclaimed();
    on_redis_with(config, &[], |adapter, mut server, claims| {
        let handler = TestHandler::default();
        let address = serve(adapter, claims.clone(), "test", &handler);
        server.kill().unwrap();

        for _ in 0..2 {
            assert_eq!(send(address, &mail("a")), Response::OK);
        }

        assert_eq!((handler.begun("a"), claims.stats().unclaimed), (2, 2));
    });
}

#[test]
fn a_delivery_takes_two_round_trips() {
    on_redis(&[], |adapter, server, claims| {
        let address = serve(adapter, claims.clone(), "test", &TestHandler::default());
        // The first delivery also connects.
        send(address, &mail("first"));
        until(|| claims.stats().completed == 1);
        // A `SET` claims a message, and another one records it.
        let calls = || {
            let stats: String = query(&server, &["INFO", "commandstats"]);
            ["set", "evalsha"].map(|command| -> u64 {
                let start = format!("cmdstat_{command}:calls=");
                let count = stats.lines().find_map(|line| line.strip_prefix(&start));
                count.map_or(0, |count| count.split(',').next().unwrap().parse().unwrap())
            })
        };
        let [sets, scripts] = calls();

        for message in 0..100 {
            assert_eq!(send(address, &mail(&message.to_string())), Response::OK);
        }

        until(|| claims.stats().completed == 101);
        assert_eq!(calls(), [sets + 2 * 100, scripts]);
    });
}

#[test]
fn a_corrected_password_is_accepted_without_a_restart() {
    for adapter in ADAPTERS {
        let server = RedisServer::start(&["--requirepass", "wrong"]).unwrap();
        let url = server.url().replace("redis://", "redis://:right@");
        let handler = TestHandler::default();
        let claims = Claims::new(RedisStore::new(&url).unwrap());
        let address = serve(adapter, claims, "test", &handler);
        for _ in 0..3 {
            assert_eq!(send(address, &mail("a")), Response::later());
        }

        let current = server.url().replace("redis://", "redis://:wrong@");
        let mut connection = redis::Client::open(current).unwrap().get_connection().unwrap();
        let mut command = redis::cmd("CONFIG");
        command.arg(&["SET", "requirepass", "right"]).exec(&mut connection).unwrap();

        assert_eq!(send_until_up(address, &mail("a")), Response::OK);
        assert_eq!(handler.begun("a"), 1);
    }
}

#[test]
fn the_store_connects_again_when_the_server_is_no_longer_the_primary() {
    on_redis(&[], |adapter, server, claims| {
        let handler = TestHandler::default();
        let address = serve(adapter, claims, "test", &handler);
        assert_eq!(send(address, &mail("a")), Response::OK);
        let connected = || -> u64 {
            let stats: String = query(&server, &["INFO", "stats"]);
            let line = stats.lines().find(|line| line.starts_with("total_connections_received:"));
            line.unwrap().rsplit(':').next().unwrap().parse().unwrap()
        };
        let before = connected();
        // The store does not repeat an attempt to connect at once. This includes the first attempt.
        thread::sleep(Duration::from_millis(150));

        query::<()>(&server, &["REPLICAOF", "127.0.0.1", "1"]);
        for _ in 0..20 {
            assert_eq!(send(address, &mail("b")), Response::later());
        }
        // The test itself has made two connections. The store connects again, but not for each
        // delivery.
        let made = connected() - before - 2;
        assert!((1..20).contains(&made), "{made} connections");

        query::<()>(&server, &["REPLICAOF", "NO", "ONE"]);
        assert_eq!(send_until_up(address, &mail("b")), Response::OK);
        assert_eq!(handler.begun("b"), 1);
    });
}
