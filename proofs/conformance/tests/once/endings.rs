//! How a handler can end.

use std::{
    net::{Shutdown, SocketAddr},
    thread,
    time::Duration,
};

use agentmail_receive::Store;

use super::{
    client::{Answer, SECRET, begin, deliver, mail, read, send},
    server::{everywhere, serve},
    workshop::{Order, Workshop, until},
};

/// Sends until the answer is no longer that a copy is being handled.
fn send_until_free(to: SocketAddr, body: &str) -> Answer {
    loop {
        let answer = send(to, body);
        if answer != Answer::later() {
            return answer;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn drained(store: &Store) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(store.drain());
}

#[test]
fn a_handler_runs_to_its_end_although_the_client_goes_away() {
    everywhere(|way, store| {
        let workshop = Workshop::default();
        workshop.order("a", &[Order::Wait]);
        let address = serve(way, store.clone(), "test", &workshop);

        let connection = begin(address, SECRET, &mail("a"));
        until(|| workshop.begun("a") == 1);
        connection.shutdown(Shutdown::Both).unwrap();
        drop(connection);
        assert_eq!(send(address, &mail("a")), Answer::later());
        // The server has noticed by now that the first client is gone.
        thread::sleep(Duration::from_millis(100));
        assert_eq!(send(address, &mail("a")), Answer::later());
        workshop.open_the_gate();
        until(|| workshop.ended("a") == 1);

        assert_eq!(send_until_free(address, &mail("a")), Answer::OK);
        assert_eq!((workshop.begun("a"), workshop.ended("a")), (1, 1));
        assert_eq!(store.counts().completed, 1);
    });
}

#[test]
fn a_message_that_failed_runs_again_and_one_that_succeeded_does_not() {
    everywhere(|way, store| {
        let workshop = Workshop::default();
        workshop.order("a", &[500, 404, 303, 299].map(Order::Answer));
        let address = serve(way, store, "test", &workshop);

        let statuses: Vec<u16> = (0..6).map(|_| send(address, &mail("a")).status).collect();

        assert_eq!(statuses, [500, 404, 303, 299, 200, 200]);
        assert_eq!(workshop.begun("a"), 4);
    });
}

#[test]
fn a_message_whose_handler_panicked_runs_again() {
    everywhere(|way, store| {
        let workshop = Workshop::default();
        workshop.order("a", &[Order::Panic]);
        // It does not end by itself while this test runs.
        let store = store.with_lease(Duration::from_secs(24 * 3_600)).unwrap();
        let address = serve(way, store, "test", &workshop);

        // The connection breaks, as it does without once-only handling.
        assert!(deliver(address, SECRET, &mail("a")).is_err());

        assert_eq!(send_until_free(address, &mail("a")), Answer::OK);
        assert_eq!(workshop.begun("a"), 2);
    });
}

#[test]
fn a_handler_that_blocks_its_thread_for_three_leases_keeps_its_claim() {
    let lease = Duration::from_secs(3);
    everywhere(|way, store| {
        let store = store.with_lease(lease).unwrap();
        let workshop = Workshop::default();
        workshop.order("a", &[Order::Block(lease * 3)]);
        let address = serve(way, store.clone(), "test", &workshop);

        let mut connection = begin(address, SECRET, &mail("a"));
        until(|| workshop.begun("a") == 1);
        let mut refused = 0;
        while workshop.ended("a") == 0 {
            let answer = send(address, &mail("a"));
            // It may have ended since the condition was looked at.
            assert!(answer == Answer::later() || workshop.ended("a") == 1, "{answer:?}");
            refused += 1;
            thread::sleep(Duration::from_millis(100));
        }

        assert_eq!(read(&mut connection).unwrap(), Answer::OK);
        assert_eq!(send(address, &mail("a")), Answer::OK);
        assert_eq!((workshop.begun("a"), store.counts().lost), (1, 0));
        println!("{refused} copies refused meanwhile");
    });
}

#[test]
fn draining_waits_for_handlers_whose_client_is_gone() {
    everywhere(|way, store| {
        let workshop = Workshop::default();
        workshop.order("a", &[Order::Wait]);
        let address = serve(way, store.clone(), "test", &workshop);
        let connection = begin(address, SECRET, &mail("a"));
        until(|| workshop.begun("a") == 1);
        drop(connection);

        let draining = thread::spawn({
            let store = store.clone();
            move || drained(&store)
        });
        thread::sleep(Duration::from_millis(100));
        assert!(!draining.is_finished());
        workshop.open_the_gate();
        draining.join().unwrap();

        assert_eq!((workshop.ended("a"), store.counts().completed), (1, 1));
    });
}
