//! Which deliveries are copies of one another.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::Barrier,
    thread,
};

use agentmail_receive::{
    MessageKey,
    dedupe::{ClaimKey, Claims, RedisStore},
};

use super::{
    client::{Response, SECRET, deliver, mail, mail_of, read, request, send},
    handler::{Action, TestHandler, until},
    server::{ADAPTERS, everywhere, serve},
};

/// Sends copies of each message at the same time. Returns how many responses were 200, 503 and
/// others.
fn copies_at_once(to: SocketAddr, messages: usize, copies: usize) -> [usize; 3] {
    let start = Barrier::new(copies);
    let counts = thread::scope(|scope| {
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
    counts.into_iter().fold([0; 3], |sum, counts| std::array::from_fn(|at| sum[at] + counts[at]))
}

#[test]
fn only_one_of_64_copies_at_the_same_time_is_handled() {
    everywhere(|adapter, claims| {
        let handler = TestHandler::default();
        let address = serve(adapter, claims.clone(), "test", &handler);
        let messages = 200;

        let [ok, later, others] = copies_at_once(address, messages, 64);

        println!("{ok} x 200, {later} x 503");
        assert_eq!((ok + later, others), (messages * 64, 0));
        for message in 0..messages {
            assert_eq!(handler.begun(&format!("message-{message}")), 1, "message {message}");
        }
        until(|| claims.stats().completed == 200);
        let counts = claims.stats();
        assert_eq!(counts.claimed, 200);
        assert_eq!(counts.already_handled + counts.in_flight, 63 * 200);
    });
}

#[test]
fn a_forged_copy_first_does_not_block_the_genuine_one() {
    everywhere(|adapter, claims| {
        let handler = TestHandler::default();
        let address = serve(adapter, claims, "test", &handler);

        let forged = deliver(address, "another secret", &mail("a")).unwrap();

        assert_eq!(forged.status, 403);
        assert_eq!(send(address, &mail("a")), Response::OK);
        assert_eq!(handler.begun("a"), 1);
    });
}

#[test]
fn ids_that_contain_colons_are_different_messages() {
    everywhere(|adapter, claims| {
        let handler = TestHandler::default();
        let address = serve(adapter, claims, "test", &handler);

        for (agent, message) in [("a:b", "c"), ("a", "b:c")] {
            assert_eq!(send(address, &mail_of(agent, message)), Response::OK);
            assert_eq!(handler.begun(message), 1, "{agent}, {message}");
        }
    });
}

#[test]
fn one_message_is_handled_once_in_each_scope() {
    everywhere(|adapter, claims| {
        let handler = TestHandler::default();

        for (scope, runs) in [("staging", 1), ("production", 2), ("production", 2)] {
            let address = serve(adapter, claims.clone(), scope, &handler);
            assert_eq!(send(address, &mail("a")), Response::OK);
            assert_eq!(handler.begun("a"), runs, "{scope}");
        }
    });
}

#[test]
fn other_members_do_not_make_another_message() {
    everywhere(|adapter, claims| {
        let handler = TestHandler::default();
        let address = serve(adapter, claims, "test", &handler);
        let repeated = r#"{"message_id":"\u0061","agent_id":"my-agent","subject":"again",
            "type":"mail.received"}"#;

        assert_eq!(send(address, &mail("a")), Response::OK);
        assert_eq!(send(address, repeated), Response::OK);

        assert_eq!(handler.begun("a"), 1);
    });
}

#[test]
fn a_body_that_names_no_message_is_not_a_copy() {
    everywhere(|adapter, claims| {
        let address = serve(adapter, claims.clone(), "test", &TestHandler::default());

        // Each of these is refused because of its payload, and not recorded as handled.
        for body in ["", "no JSON", r#"{"type":"mail.received","agent_id":"a"}"#] {
            for _ in 0..2 {
                assert_eq!(send(address, body).status, 422, "{body}");
            }
        }
        assert_eq!(claims.stats().released, 6);
    });
}

#[test]
fn a_message_id_of_200_kib_has_a_key_of_the_usual_size() {
    for adapter in ADAPTERS {
        let redis = agentmail_conformance::RedisServer::start(&[]).unwrap();
        let store = RedisStore::new(&redis.url()).unwrap().with_prefix("prefix:");
        let address = serve(adapter, Claims::new(store), "test", &TestHandler::default());
        let long = "m".repeat(200 * 1024);

        assert_eq!(send(address, &mail(&long)), Response::OK);

        let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        let key = ClaimKey::new("test", MessageKey::of_mail("my-agent", &long));
        assert_eq!(keys, [format!("prefix:{key}")]);
        assert_eq!(keys[0].len(), "prefix:".len() + 64);
    }
}

#[test]
fn a_forgotten_message_runs_the_handler_again() {
    everywhere(|adapter, claims| {
        let handler = TestHandler::default();
        handler.set_actions("in flight", &[Action::Wait]);
        let address = serve(adapter, claims.clone(), "test", &handler);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let forget = |message| {
            let key = ClaimKey::new("test", MessageKey::of_mail("my-agent", message));
            runtime.block_on(claims.forget(key)).unwrap()
        };
        send(address, &mail("a"));

        assert!(forget("a"));
        assert!(!forget("a"));
        assert_eq!(send(address, &mail("a")), Response::OK);
        assert_eq!(handler.begun("a"), 2);

        let in_flight = super::client::begin(address, SECRET, &mail("in flight"));
        until(|| handler.begun("in flight") == 1);
        assert!(!forget("in flight"));
        assert_eq!(send(address, &mail("in flight")), Response::later());
        handler.unblock();
        drop(in_flight);
    });
}
