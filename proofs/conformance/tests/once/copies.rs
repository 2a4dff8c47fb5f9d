//! What is a copy, and what is not.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::Barrier,
    thread,
};

use agentmail_receive::{Key, Store};

use super::{
    client::{Answer, SECRET, deliver, mail, mail_of, read, request, send},
    server::{WAYS, everywhere, serve},
    workshop::{Order, Workshop},
};

/// Sends copies of each message at once, and returns how often each status came.
fn copies_at_once(to: SocketAddr, messages: usize, copies: usize) -> [usize; 3] {
    let start = Barrier::new(copies);
    let answers = thread::scope(|scope| {
        let sender = || {
            let mut connection = TcpStream::connect(to).unwrap();
            let mut counts = [0; 3];
            for message in 0..messages {
                let request = request(SECRET, &mail(&format!("message-{message}")));
                start.wait();
                connection.write_all(&request).unwrap();
                match read(&mut connection).unwrap().status {
                    200 => counts[0] += 1,
                    503 => counts[1] += 1,
                    _ => counts[2] += 1,
                }
            }
            counts
        };
        let senders: Vec<_> = (0..copies).map(|_| scope.spawn(sender)).collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).collect::<Vec<_>>()
    });
    answers.into_iter().fold([0; 3], |sum, counts| std::array::from_fn(|at| sum[at] + counts[at]))
}

#[test]
fn of_64_copies_at_once_one_is_handled() {
    everywhere(|way, store| {
        let workshop = Workshop::default();
        let address = serve(way, store.clone(), "test", &workshop);
        let messages = 200;

        let [ok, later, others] = copies_at_once(address, messages, 64);

        println!("{ok} x 200, {later} x 503");
        assert_eq!((ok + later, others), (messages * 64, 0));
        for message in 0..messages {
            assert_eq!(workshop.begun(&format!("message-{message}")), 1, "message {message}");
        }
        let counts = store.counts();
        assert_eq!((counts.claimed, counts.completed), (200, 200));
        assert_eq!(counts.already_handled + counts.in_flight, 63 * 200);
    });
}

#[test]
fn a_forged_copy_first_does_not_block_the_genuine_one() {
    everywhere(|way, store| {
        let workshop = Workshop::default();
        let address = serve(way, store, "test", &workshop);

        let forged = deliver(address, "another secret", &mail("a")).unwrap();

        assert_eq!(forged.status, 403);
        assert_eq!(send(address, &mail("a")), Answer::OK);
        assert_eq!(workshop.begun("a"), 1);
    });
}

#[test]
fn ids_are_told_apart_wherever_a_colon_stands() {
    everywhere(|way, store| {
        let workshop = Workshop::default();
        let address = serve(way, store, "test", &workshop);

        for (agent, message) in [("a:b", "c"), ("a", "b:c")] {
            assert_eq!(send(address, &mail_of(agent, message)), Answer::OK);
            assert_eq!(workshop.begun(message), 1, "{agent}, {message}");
        }
    });
}

#[test]
fn one_message_in_two_scopes_is_two() {
    everywhere(|way, store| {
        let workshop = Workshop::default();

        for (scope, runs) in [("staging", 1), ("production", 2), ("production", 2)] {
            let address = serve(way, store.clone(), scope, &workshop);
            assert_eq!(send(address, &mail("a")), Answer::OK);
            assert_eq!(workshop.begun("a"), runs, "{scope}");
        }
    });
}

#[test]
fn other_members_do_not_make_another_message() {
    everywhere(|way, store| {
        let workshop = Workshop::default();
        let address = serve(way, store, "test", &workshop);
        let repeated = r#"{"message_id":"\u0061","agent_id":"my-agent","type":"mail.received","subject":"again"}"#;

        assert_eq!(send(address, &mail("a")), Answer::OK);
        assert_eq!(send(address, repeated), Answer::OK);

        assert_eq!(workshop.begun("a"), 1);
    });
}

#[test]
fn what_names_no_message_is_not_mistaken_for_a_copy() {
    everywhere(|way, store| {
        let address = serve(way, store.clone(), "test", &Workshop::default());

        // Refused as a payload, each time anew: nothing of it is recorded as handled.
        for body in ["", "no JSON", r#"{"type":"mail.received","agent_id":"a"}"#] {
            for _ in 0..2 {
                assert_eq!(send(address, body).status, 422, "{body}");
            }
        }
        assert_eq!(store.counts().released, 6);
    });
}

#[test]
fn a_message_id_of_200_kib_is_a_key_of_the_ordinary_size() {
    for way in WAYS {
        let redis = agentmail_conformance::RedisServer::start(&[]).unwrap();
        let store = agentmail_receive::Redis::new(&redis.url()).unwrap().with_prefix("prefix:");
        let address = serve(way, Store::new(store), "test", &Workshop::default());
        let long = "m".repeat(200 * 1024);

        assert_eq!(send(address, &mail(&long)), Answer::OK);

        let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        let key = Key::of_message("test", "mail.received", "my-agent", &long);
        assert_eq!(keys, [format!("prefix:{key}")]);
        assert_eq!(keys[0].len(), "prefix:".len() + 64);
    }
}

#[test]
fn what_is_forgotten_is_handled_again() {
    everywhere(|way, store| {
        let workshop = Workshop::default();
        workshop.order("in flight", &[Order::Wait]);
        let address = serve(way, store.clone(), "test", &workshop);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let forget = |message| {
            let key = Key::of_message("test", "mail.received", "my-agent", message);
            runtime.block_on(store.forget(key)).unwrap()
        };
        send(address, &mail("a"));

        assert!(forget("a"));
        assert!(!forget("a"));
        assert_eq!(send(address, &mail("a")), Answer::OK);
        assert_eq!(workshop.begun("a"), 2);

        let in_flight = super::client::begin(address, SECRET, &mail("in flight"));
        super::workshop::until(|| workshop.begun("in flight") == 1);
        assert!(!forget("in flight"));
        assert_eq!(send(address, &mail("in flight")), Answer::later());
        workshop.open_the_gate();
        drop(in_flight);
    });
}
