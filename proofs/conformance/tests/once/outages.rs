//! What a store that fails costs.

use std::{thread, time::Duration};

use agentmail_conformance::RedisServer;
use agentmail_receive::{Key, Memory, Redis, Store};

use super::{
    client::{Answer, SECRET, begin, mail, read, send},
    server::{WAYS, Way, serve},
    workshop::{Order, Workshop, until},
};

fn on_redis(options: &[&str], scenario: impl Fn(Way, RedisServer, Store)) {
    for way in WAYS {
        println!("{way:?}");
        let server = RedisServer::start(options).unwrap();
        let store = Store::new(Redis::new(&server.url()).unwrap());
        scenario(way, server, store);
    }
}

fn ask<T: redis::FromRedisValue>(server: &RedisServer, command: &[&str]) -> T {
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    redis::cmd(command[0]).arg(&command[1..]).query(&mut connection).unwrap()
}

/// Sends until the store answers again.
fn send_until_up(to: std::net::SocketAddr, body: &str) -> Answer {
    loop {
        let answer = send(to, body);
        if answer != Answer::later() {
            return answer;
        }
    }
}

#[test]
fn a_store_that_is_down_refuses_and_the_handler_does_not_run() {
    on_redis(&[], |way, mut server, store| {
        let workshop = Workshop::default();
        let address = serve(way, store.clone(), "test", &workshop);
        assert_eq!(send(address, &mail("a")), Answer::OK);

        server.kill().unwrap();
        for _ in 0..3 {
            assert_eq!(send(address, &mail("b")), Answer::later());
        }
        assert_eq!(workshop.begun("b"), 0);
        assert_eq!(store.counts().unavailable, 3);

        server.resume().unwrap();
        assert_eq!(send_until_up(address, &mail("b")), Answer::OK);
        assert_eq!(workshop.begun("b"), 1);
    });
}

#[test]
fn a_store_that_is_down_from_the_beginning_is_found_once_it_is_up() {
    on_redis(&[], |way, mut server, store| {
        server.kill().unwrap();
        let workshop = Workshop::default();
        let address = serve(way, store, "test", &workshop);
        assert_eq!(send(address, &mail("a")), Answer::later());

        server.resume().unwrap();

        assert_eq!(send_until_up(address, &mail("a")), Answer::OK);
        assert_eq!(workshop.begun("a"), 1);
    });
}

#[test]
fn a_frozen_store_refuses_in_time_and_its_late_claims_are_given_back() {
    on_redis(&[], |way, server, store| {
        let workshop = Workshop::default();
        // It does not end by itself while this test runs.
        let store = store.with_lease(Duration::from_secs(24 * 3_600)).unwrap();
        let address = serve(way, store, "test", &workshop);
        assert_eq!(send(address, &mail("a")), Answer::OK);

        server.freeze().unwrap();
        // It is carried out when the server goes on, and recognised by its token.
        assert_eq!(send(address, &mail("b")), Answer::later());
        assert_eq!(workshop.begun("b"), 0);
        server.thaw().unwrap();

        assert_eq!(send_until_up(address, &mail("b")), Answer::OK);
        assert_eq!(workshop.begun("b"), 1);
    });
}

#[test]
fn a_store_that_is_out_of_memory_refuses() {
    on_redis(&["--maxmemory", "1kb"], |way, server, store| {
        let workshop = Workshop::default();
        let address = serve(way, store, "test", &workshop);

        assert_eq!(send(address, &mail("a")), Answer::later());
        assert_eq!(workshop.begun("a"), 0);

        ask::<()>(&server, &["CONFIG", "SET", "maxmemory", "0"]);
        assert_eq!(send_until_up(address, &mail("a")), Answer::OK);
        assert_eq!(workshop.begun("a"), 1);
    });
}

#[test]
fn a_memory_that_is_full_refuses_new_messages_only() {
    for way in WAYS {
        let workshop = Workshop::default();
        let address = serve(way, Store::new(Memory::with_room(2)), "test", &workshop);
        for message in ["a", "b"] {
            assert_eq!(send(address, &mail(message)), Answer::OK);
        }

        assert_eq!(send(address, &mail("c")), Answer::later());
        assert_eq!(send(address, &mail("a")), Answer::OK);
        assert_eq!((workshop.begun("a"), workshop.begun("c")), (1, 0));
    }
}

#[test]
fn what_could_not_be_recorded_at_first_is_recorded_within_the_lease() {
    on_redis(&["--appendonly", "yes", "--appendfsync", "always"], |way, mut server, store| {
        let workshop = Workshop::default();
        workshop.order("a", &[Order::Wait]);
        let address = serve(way, store.clone(), "test", &workshop);
        let mut connection = begin(address, SECRET, &mail("a"));
        until(|| workshop.begun("a") == 1);

        server.kill().unwrap();
        workshop.open_the_gate();
        assert_eq!(read(&mut connection).unwrap(), Answer::OK, "the handler's answer stands");
        assert_eq!(store.counts().completions_deferred, 1);
        server.resume().unwrap();
        until(|| store.counts().completed == 1);

        assert_eq!(send(address, &mail("a")), Answer::OK);
        assert_eq!(workshop.begun("a"), 1);
    });
}

#[test]
fn a_late_finisher_is_recorded_unless_another_one_has_the_message() {
    on_redis(&[], |way, server, store| {
        let key = Key::of_message("test", "mail.received", "my-agent", "a");
        let name = format!("agentmail:{key}");
        for (taken_over, recorded) in [(false, true), (true, false)] {
            let workshop = Workshop::default();
            workshop.order("a", &[Order::Wait]);
            let address = serve(way, store.clone(), "test", &workshop);
            ask::<()>(&server, &["FLUSHALL"]);
            let mut connection = begin(address, SECRET, &mail("a"));
            until(|| workshop.begun("a") == 1);

            // The lease ends, and another process may take the message up.
            ask::<()>(&server, &["DEL", &name]);
            if taken_over {
                ask::<()>(&server, &["SET", &name, "claimed:another"]);
            }
            let before = store.counts();
            workshop.open_the_gate();

            assert_eq!(read(&mut connection).unwrap(), Answer::OK);
            let value: String = ask(&server, &["GET", &name]);
            assert_eq!(value.starts_with("handled:"), recorded, "{value}");
            assert_eq!(value == "claimed:another", taken_over, "{value}");
            assert_eq!(store.counts().lost - before.lost, u64::from(taken_over));
        }
    });
}

#[test]
fn a_server_that_lost_its_data_has_messages_handled_again() {
    on_redis(&[], |way, mut server, store| {
        let workshop = Workshop::default();
        let address = serve(way, store, "test", &workshop);
        assert_eq!(send(address, &mail("a")), Answer::OK);

        server.kill().unwrap();
        server.resume().unwrap();

        assert_eq!(send_until_up(address, &mail("a")), Answer::OK);
        assert_eq!(workshop.begun("a"), 2, "nothing was stored: this is what the docs warn of");
    });
}

#[test]
fn an_append_only_file_outlives_a_kill() {
    on_redis(&["--appendonly", "yes", "--appendfsync", "always"], |way, mut server, store| {
        let workshop = Workshop::default();
        let address = serve(way, store, "test", &workshop);
        assert_eq!(send(address, &mail("a")), Answer::OK);

        server.kill().unwrap();
        server.resume().unwrap();

        assert_eq!(send_until_up(address, &mail("a")), Answer::OK);
        assert_eq!(workshop.begun("a"), 1);
    });
}

#[test]
fn handling_unclaimed_is_a_choice_and_is_counted() {
    on_redis(&[], |way, mut server, store| {
        let workshop = Workshop::default();
        let store = store.danger_handle_unclaimed();
        let address = serve(way, store.clone(), "test", &workshop);
        server.kill().unwrap();

        for _ in 0..2 {
            assert_eq!(send(address, &mail("a")), Answer::OK);
        }

        assert_eq!((workshop.begun("a"), store.counts().unclaimed), (2, 2));
    });
}

#[test]
fn a_delivery_takes_two_round_trips() {
    on_redis(&[], |way, server, store| {
        let address = serve(way, store, "test", &Workshop::default());
        // The first one also connects, and loads the scripts.
        send(address, &mail("first"));
        let calls = || -> u64 {
            let stats: String = ask(&server, &["INFO", "commandstats"]);
            let evalsha = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap();
            evalsha.split(['=', ',']).nth(1).unwrap().parse().unwrap()
        };
        let before = calls();

        for message in 0..100 {
            assert_eq!(send(address, &mail(&message.to_string())), Answer::OK);
        }

        assert_eq!(calls() - before, 2 * 100);
    });
}

#[test]
fn a_password_that_is_set_right_is_taken_without_a_restart() {
    for way in WAYS {
        let server = RedisServer::start(&["--requirepass", "wrong"]).unwrap();
        let url = server.url().replace("redis://", "redis://:right@");
        let workshop = Workshop::default();
        let store = Store::new(Redis::new(&url).unwrap());
        let address = serve(way, store, "test", &workshop);
        for _ in 0..3 {
            assert_eq!(send(address, &mail("a")), Answer::later());
        }

        let as_it_is = server.url().replace("redis://", "redis://:wrong@");
        let mut connection = redis::Client::open(as_it_is).unwrap().get_connection().unwrap();
        let mut command = redis::cmd("CONFIG");
        command.arg(&["SET", "requirepass", "right"]).exec(&mut connection).unwrap();

        assert_eq!(send_until_up(address, &mail("a")), Answer::OK);
        assert_eq!(workshop.begun("a"), 1);
    }
}

#[test]
fn a_server_that_is_no_longer_the_primary_is_connected_to_anew() {
    on_redis(&[], |way, server, store| {
        let workshop = Workshop::default();
        let address = serve(way, store, "test", &workshop);
        assert_eq!(send(address, &mail("a")), Answer::OK);
        let connected = || -> u64 {
            let stats: String = ask(&server, &["INFO", "stats"]);
            let line = stats.lines().find(|line| line.starts_with("total_connections_received:"));
            line.unwrap().rsplit(':').next().unwrap().parse().unwrap()
        };
        let before = connected();
        // An attempt to connect, such as the first one, is not repeated at once.
        thread::sleep(Duration::from_millis(150));

        ask::<()>(&server, &["REPLICAOF", "127.0.0.1", "1"]);
        for _ in 0..20 {
            assert_eq!(send(address, &mail("b")), Answer::later());
        }
        // Two are this test's own. Anew, but not for each delivery.
        let anew = connected() - before - 2;
        assert!((1..20).contains(&anew), "{anew} connections");

        ask::<()>(&server, &["REPLICAOF", "NO", "ONE"]);
        assert_eq!(send_until_up(address, &mail("b")), Answer::OK);
        assert_eq!(workshop.begun("b"), 1);
    });
}
