//! The ways in which a handler can end.

use std::{
    net::{Shutdown, SocketAddr},
    thread,
    time::Duration,
};

use agentmail_receive::dedupe::{Claims, ClaimsConfig};

use super::{
    client::{Response, SECRET, begin, deliver, mail, read, send},
    handler::{Action, TestHandler, until},
    server::{everywhere, everywhere_with, serve},
};

/// Sends until the response no longer says that a copy is being handled.
fn send_until_free(to: SocketAddr, body: &str) -> Response {
    loop {
        let response = send(to, body);
        if response != Response::later() {
            return response;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn drain(claims: &Claims) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(claims.drain());
}

#[test]
fn a_handler_runs_to_its_end_although_the_client_goes_away() {
    everywhere(|adapter, claims| {
        let handler = TestHandler::default();
        handler.set_actions("a", &[Action::Wait]);
        let address = serve(adapter, claims.clone(), "test", &handler);

        let connection = begin(address, SECRET, &mail("a"));
        until(|| handler.begun("a") == 1);
        connection.shutdown(Shutdown::Both).unwrap();
        drop(connection);
        assert_eq!(send(address, &mail("a")), Response::later());
        // By then the server has noticed that the first client is gone.
        thread::sleep(Duration::from_millis(100));
        assert_eq!(send(address, &mail("a")), Response::later());
        handler.unblock();
        until(|| handler.ended("a") == 1);

        assert_eq!(send_until_free(address, &mail("a")), Response::OK);
        assert_eq!((handler.begun("a"), handler.ended("a")), (1, 1));
        until(|| claims.stats().completed == 1);
    });
}

#[test]
fn a_message_that_failed_runs_again_and_one_that_succeeded_does_not() {
    everywhere(|adapter, claims| {
        let handler = TestHandler::default();
        handler.set_actions("a", &[500, 404, 303, 299].map(Action::Respond));
        let address = serve(adapter, claims, "test", &handler);

        let statuses: Vec<u16> = (0..6).map(|_| send(address, &mail("a")).status).collect();

        assert_eq!(statuses, [500, 404, 303, 299, 200, 200]);
        assert_eq!(handler.begun("a"), 4);
    });
}

#[test]
fn a_message_whose_handler_panicked_runs_again() {
    // The lease does not end while this test runs.
    let config = ClaimsConfig::default().with_lease(Duration::from_secs(24 * 3_600)).unwrap();
    everywhere_with(config, |adapter, claims| {
        let handler = TestHandler::default();
        handler.set_actions("a", &[Action::Panic]);
        let address = serve(adapter, claims, "test", &handler);

        // The connection breaks, as it does without once-only handling.
        assert!(deliver(address, SECRET, &mail("a")).is_err());

        assert_eq!(send_until_free(address, &mail("a")), Response::OK);
        assert_eq!(handler.begun("a"), 2);
    });
}

#[test]
fn a_handler_that_blocks_its_thread_for_three_leases_keeps_its_claim() {
    let lease = Duration::from_secs(3);
    let config = ClaimsConfig::default().with_lease(lease).unwrap();
    everywhere_with(config, |adapter, claims| {
        let handler = TestHandler::default();
        handler.set_actions("a", &[Action::Block(lease * 3)]);
        let address = serve(adapter, claims.clone(), "test", &handler);

        let mut connection = begin(address, SECRET, &mail("a"));
        until(|| handler.begun("a") == 1);
        let mut refused = 0;
        while handler.ended("a") == 0 {
            let response = send(address, &mail("a"));
            // The handler may have ended since the condition of the loop was checked.
            assert!(response == Response::later() || handler.ended("a") == 1, "{response:?}");
            refused += 1;
            thread::sleep(Duration::from_millis(100));
        }

        assert_eq!(read(&mut connection).unwrap(), Response::OK);
        assert_eq!(send(address, &mail("a")), Response::OK);
        assert_eq!((handler.begun("a"), claims.stats().lost), (1, 0));
        println!("{refused} copies were refused in the meantime");
    });
}

#[test]
fn draining_waits_for_handlers_whose_client_is_gone() {
    everywhere(|adapter, claims| {
        let handler = TestHandler::default();
        handler.set_actions("a", &[Action::Wait]);
        let address = serve(adapter, claims.clone(), "test", &handler);
        let connection = begin(address, SECRET, &mail("a"));
        until(|| handler.begun("a") == 1);
        drop(connection);

        let draining = thread::spawn({
            let claims = claims.clone();
            move || drain(&claims)
        });
        thread::sleep(Duration::from_millis(100));
        assert!(!draining.is_finished());
        handler.unblock();
        draining.join().unwrap();

        assert_eq!((handler.ended("a"), claims.stats().completed), (1, 1));
    });
}
