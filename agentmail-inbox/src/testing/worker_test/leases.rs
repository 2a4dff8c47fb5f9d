use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmail_receive::MessageKey;
use tokio::{sync::Notify, time};

use crate::{
    inbox::Inbox,
    message::Message,
    state::State,
    store::{BoxError, InboxStore},
    take::{Take, TakeToken},
    testing::{
        fixture::StoreFixture,
        flapping_store::FlappingStore,
        worker_test::tested::{Tested, delivery, mail, until},
    },
};

pub(super) async fn a_process_that_hangs_is_passed_over_and_changes_nothing_later<
    F: StoreFixture,
>(
    fixture: &mut F,
) {
    let tested = Tested::new(fixture).await;
    tested.receive(&mail("a", "m")).await;
    let (begun, resume) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let calls = Arc::new(AtomicUsize::new(0));
    let work = {
        let (begun, resume, calls) = (Arc::clone(&begun), Arc::clone(&resume), Arc::clone(&calls));
        move |message: Message| {
            let (begun, resume) = (Arc::clone(&begun), Arc::clone(&resume));
            calls.fetch_add(1, Ordering::Relaxed);
            async move {
                if message.attempt() == 1 {
                    begun.notify_one();
                    resume.notified().await;
                }
                Ok::<_, BoxError>(())
            }
        }
    };
    let work = Arc::new(work);
    let first = Arc::clone(&work);
    // Its lease is renewed after 20 seconds, which this test does not wait for: the process hangs.
    let hanging = tested.inbox.worker(move |message| first(message)).with_concurrency(1).spawn();
    begun.notified().await;

    fixture.advance(&tested.store, Duration::from_secs(61)).await;
    let second = Arc::clone(&work);
    let tried = tested
        .inbox
        .worker(move |message| second(message))
        .run_once()
        .await
        .expect("the store works");

    assert_eq!(tried.done, 1, "another worker has the message: {tried:?}");
    resume.notify_one();
    hanging.drain(Duration::from_secs(60)).await;
    assert_eq!(calls.load(Ordering::Relaxed), 2);
    let stats = tested.inbox.stats();
    assert_eq!((stats.done, stats.lost), (1, 1), "the late worker changes nothing: {stats:?}");
    assert_eq!(tested.states().await, [State::Done]);
}

pub(super) async fn the_lease_of_long_work_is_renewed<F: StoreFixture>(fixture: &mut F) {
    let tested = Tested::new(fixture).await;
    tested.receive(&mail("a", "m")).await;
    let resume = Arc::new(Notify::new());
    let waiting = Arc::clone(&resume);
    let worker = tested.inbox.worker(move |_: Message| {
        let waiting = Arc::clone(&waiting);
        async move {
            waiting.notified().await;
            Ok::<_, BoxError>(())
        }
    });
    let workers = worker.with_lease(Duration::from_secs(1)).spawn();
    until(async || tested.states().await == [State::Taken]).await;
    // Two renewals, each after a third of a second.
    let first = tested.rows().await.first().map(|row| row.due_at);
    fixture.advance(&tested.store, Duration::from_millis(500)).await;
    until(async || tested.rows().await.first().map(|row| row.due_at) > first).await;

    let stats = tested.inbox.stats();
    resume.notify_one();
    workers.drain(Duration::from_secs(60)).await;

    assert_eq!((stats.attempts, stats.lost), (1, 0), "{stats:?}");
    assert_eq!(tested.states().await, [State::Done]);
}

pub(super) async fn interrupted_messages_are_tried_one_at_a_time<F: StoreFixture>(fixture: &mut F) {
    let tested = Tested::new(fixture).await;
    for id in 0..6 {
        tested.receive(&mail("a", &id.to_string())).await;
    }
    // A process has taken four of them, and has ended.
    let take = Take::new(TakeToken::random(), 4, Duration::from_secs(60));
    assert_eq!(tested.store.take(take).await.expect("the store works").len(), 4);
    fixture.advance(&tested.store, Duration::from_secs(61)).await;
    let now = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let counters = Arc::clone(&now);
    let worker = tested.inbox.worker(move |message: Message| {
        let now = Arc::clone(&counters);
        async move {
            if message.attempt() == 2 {
                let running = now.0.fetch_add(1, Ordering::SeqCst);
                now.1.fetch_max(running.saturating_add(1), Ordering::SeqCst);
                time::sleep(Duration::from_millis(5)).await;
                now.0.fetch_sub(1, Ordering::SeqCst);
            }
            Ok::<_, BoxError>(())
        }
    });

    let workers = worker.spawn();
    until(async || tested.inbox.counts().await.is_ok_and(|counts| counts.done == 6)).await;
    workers.drain(Duration::from_secs(60)).await;

    assert_eq!(now.1.load(Ordering::SeqCst), 1, "interrupted messages at the same time");
}

pub(super) async fn a_server_that_comes_and_goes_kills_no_message<F: StoreFixture>(
    fixture: &mut F,
) {
    const MESSAGES: usize = 30;
    let store = Arc::new(fixture.empty_store().await);
    let inbox = Inbox::new(FlappingStore::new(Arc::clone(&store), 7));
    let mut copies: usize = 0;
    for id in 0..MESSAGES {
        let delivery = delivery(&mail("a", &id.to_string()));
        // The sender repeats a delivery until it gets 200.
        while inbox.store(&delivery).await.is_err() {
            copies = copies.saturating_add(1);
        }
    }
    assert!(copies > 0, "the server comes and goes");
    let attempts = Arc::new(Mutex::new(BTreeMap::<MessageKey, u32>::new()));
    let counted = Arc::clone(&attempts);
    let worker = inbox.worker(move |message: Message| {
        let mut counted = counted.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counted.entry(message.key()).or_default();
        *count = count.saturating_add(1);
        async { Ok::<_, BoxError>(()) }
    });

    // With one attempt, one that was counted and never handed out would be the last.
    let workers = worker.with_attempts(1).with_concurrency(4).spawn();
    let is_done = async || {
        let counts = inbox.counts().await.expect("operators' calls work");
        assert_eq!(counts.dead, 0, "{counts:?}");
        counts.done == u64::try_from(MESSAGES).unwrap_or(0)
    };
    until(is_done).await;
    workers.drain(Duration::from_secs(60)).await;

    let attempts = attempts.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(attempts.len(), MESSAGES);
    assert!(attempts.values().all(|attempts| *attempts == 1), "{attempts:?}");
}
