//! What a worker promises, on any store.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmail_receive::{Delivery, MessageKey};
use agentmail_verify::{Event, Secret, Signer, UnixTime};
use tokio::{sync::Notify, time};

use crate::{
    backoff::Backoff,
    filter::Filter,
    inbox::Inbox,
    message::Message,
    new_message::NewMessage,
    retry::{GiveUp, Retry},
    row::Row,
    state::State,
    store::{BoxError, InboxStore, Page, Stored},
    take::{Take, TakeToken},
    testing::{fixture::StoreFixture, flapping_store::FlappingStore},
};

/// A test of what workers promise on a store: retries, time limits, leases, order, shutdown, and a
/// server that comes and goes.
///
/// Like [`StoreTest`](super::StoreTest), it takes a [`StoreFixture`].
#[derive(Debug, Clone, Copy, Default)]
#[must_use = "call `run`"]
pub struct WorkerTest(());

impl WorkerTest {
    /// Creates the test.
    pub const fn new() -> Self {
        Self(())
    }

    /// Runs the test.
    ///
    /// # Panics
    ///
    /// A worker does not keep a promise on this store.
    pub async fn run<F: StoreFixture>(self, fixture: &mut F) {
        ids_of_any_kind_are_stored_and_worked_on(fixture).await;
        a_failure_is_tried_again_and_then_the_message_is_dead(fixture).await;
        an_error_says_what_happens_next(fixture).await;
        what_is_not_an_event_is_dead_at_once(fixture).await;
        work_that_hangs_is_ended_at_its_time_limit(fixture).await;
        a_process_that_hangs_is_passed_over_and_changes_nothing_later(fixture).await;
        the_lease_of_long_work_is_renewed(fixture).await;
        messages_of_an_agent_are_worked_on_in_order(fixture).await;
        interrupted_messages_are_tried_one_at_a_time(fixture).await;
        draining_waits_for_the_current_work_and_leaves_the_rest(fixture).await;
        a_server_that_comes_and_goes_kills_no_message(fixture).await;
        an_operator_can_redrive_and_give_up(fixture).await;
    }
}

/// An inbox, and its store for the fixture.
struct Tested<S> {
    inbox: Inbox,
    store: Arc<S>,
}

impl<S: InboxStore> Tested<S> {
    async fn new<F: StoreFixture<Store = S>>(fixture: &mut F) -> Self {
        let store = Arc::new(fixture.empty_store().await);
        Self { inbox: Inbox::new(Arc::clone(&store)), store }
    }

    async fn receive(&self, body: &str) -> Stored {
        self.inbox.store(&delivery(body)).await.expect("the store works")
    }

    async fn rows(&self) -> Vec<Row> {
        self.inbox.list(Filter::new(), Page::first(1_000)).await.expect("the store works")
    }

    async fn states(&self) -> Vec<State> {
        self.rows().await.into_iter().map(|row| row.state).collect()
    }
}

fn delivery(body: &str) -> Delivery {
    let secret = Secret::new("whsec_of_this_test").expect("it is not empty");
    Delivery::sign(&Signer::new(secret), UnixTime::now(), body.to_owned())
}

fn mail(agent_id: &str, message_id: &str) -> String {
    format!(
        r#"{{"type":"mail.received","agent_id":"{agent_id}","message_id":"{message_id}",
            "subject":"Quarterly"}}"#
    )
}

/// The ids of the messages that were worked on, in order.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, message: &Message) {
        let id = match message.event() {
            Event::MailReceived(mail) => mail.message_id.clone(),
            other => other.kind().to_owned(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn ids_of_any_kind_are_stored_and_worked_on<F: StoreFixture>(fixture: &mut F) {
    let tested = Tested::new(fixture).await;
    let long = "m".repeat(10_000);
    let bodies = [
        mail("my-agent", "plain"),
        mail("my-agent", r"NUL \u0000 inside"),
        mail("my-agent", &long),
        mail("my-agent", r"a lone surrogate \ud83d"),
        mail(r"an agent \u0000", "m"),
        mail(&long, "m"),
        r#"{"type":"mail.bounced\u0000"}"#.to_owned(),
    ];
    for body in &bodies {
        assert_eq!(tested.receive(body).await, Stored::New, "{:.80}", body);
        assert_eq!(tested.receive(body).await, Stored::Known, "a copy of {:.80}", body);
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let work = move |message: Message| {
        let log = Arc::clone(&log);
        async move {
            let seen = (message.key(), message.body().to_vec(), message.attempt());
            log.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
            Ok::<_, BoxError>(())
        }
    };

    let tried = tested.inbox.worker(work).run_once().await.expect("the store works");

    assert_eq!(tried.done, 7, "{tried:?}");
    let mut seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    let mut sent: Vec<_> = bodies
        .iter()
        .map(|body| (delivery(body).message_key(), body.clone().into_bytes(), 1))
        .collect();
    seen.sort();
    sent.sort();
    assert_eq!(seen, sent, "the work gets the bytes that were signed");
    for row in tested.rows().await {
        let ids = [Some(&row.kind), row.agent_id.as_ref(), row.message_id.as_ref()];
        let is_short = |id: &&String| id.len() <= 256 && !id.contains(char::is_control);
        assert!(ids.into_iter().flatten().all(|id| is_short(&id)), "{row:?}");
    }
}

async fn a_failure_is_tried_again_and_then_the_message_is_dead<F: StoreFixture>(fixture: &mut F) {
    let tested = Tested::new(fixture).await;
    for id in ["fails", "panics", "works"] {
        tested.receive(&mail("a", id)).await;
    }
    let log = Log::default();
    let (work_log, pause) = (log.clone(), Duration::from_secs(100));
    let worker = || {
        let log = work_log.clone();
        let worker = tested.inbox.worker(move |message: Message| {
            let log = log.clone();
            async move {
                log.add(&message);
                let Event::MailReceived(mail) = message.event() else { return Ok(()) };
                match mail.message_id.as_str() {
                    "fails" => Err("the other service is down \0"),
                    "panics" => panic!("this test panics"),
                    _ => Ok(()),
                }
            }
        });
        worker.with_attempts(3).with_backoff(Backoff::new(pause, pause))
    };

    for attempt in 1..=3 {
        let tried = worker().run_once().await.expect("the store works");
        let expected = match attempt {
            1 => (1, 2, 0),
            2 => (0, 2, 0),
            _ => (0, 0, 2),
        };
        assert_eq!((tried.done, tried.retried, tried.dead), expected, "attempt {attempt}");
        let again = worker().run_once().await.expect("the store works");
        assert_eq!((again.done, again.retried, again.dead), (0, 0, 0), "within the pause");
        fixture.advance(&tested.store, pause).await;
    }

    assert_eq!(log.ids().len(), 7, "{:?}", log.ids());
    assert_eq!(tested.states().await, [State::Dead, State::Dead, State::Done]);
    let reasons: Vec<_> = tested.rows().await.into_iter().map(|row| row.reason).collect();
    let expected = [Some("the other service is down \\u{0}"), Some("the work panicked"), None];
    assert_eq!(reasons, expected.map(|reason| reason.map(str::to_owned)));
}

async fn an_error_says_what_happens_next<F: StoreFixture>(fixture: &mut F) {
    let tested = Tested::new(fixture).await;
    for id in ["later", "hopeless"] {
        tested.receive(&mail("a", id)).await;
    }
    let work = async |message: Message| -> Result<(), BoxError> {
        match message.event() {
            Event::MailReceived(mail) if mail.message_id == "later" => {
                Err(Retry::after(Duration::from_secs(7_200)).because("the quota").into())
            }
            _ => Err(GiveUp::because("no such customer").into()),
        }
    };
    let work = move |message| Box::pin(work(message));

    let tried = tested.inbox.worker(work).run_once().await.expect("the store works");

    assert_eq!((tried.retried, tried.dead), (1, 1), "{tried:?}");
    for (pause, expected) in [(6_000, 0), (1_300, 1)] {
        fixture.advance(&tested.store, Duration::from_secs(pause)).await;
        let tried = tested.inbox.worker(work).run_once().await.expect("the store works");
        assert_eq!(tried.retried, expected, "after {pause} more seconds");
    }
    let rows = tested.rows().await;
    let reasons: Vec<_> = rows.iter().map(|row| row.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("the quota"), Some("no such customer")]);
}

async fn what_is_not_an_event_is_dead_at_once<F: StoreFixture>(fixture: &mut F) {
    let tested = Tested::new(fixture).await;
    let refused = tested.inbox.store(&delivery("not JSON")).await;
    assert_eq!(refused.expect_err("422").refusal().code(), "malformed_json");
    // A row that another version has stored.
    let body = "not JSON";
    let odd = NewMessage::new(MessageKey::of_body(body.as_bytes()), "mail.received", body);
    tested.inbox.store_message(odd).await.expect("any bytes can be stored");
    tested.receive(&mail("a", "m")).await;
    let log = Log::default();
    let work_log = log.clone();

    let worker = tested.inbox.worker(move |message: Message| {
        work_log.add(&message);
        async { Ok::<_, BoxError>(()) }
    });
    let tried = worker.run_once().await.expect("the store works");

    assert_eq!((tried.done, tried.dead), (1, 1), "{tried:?}");
    assert_eq!(log.ids(), ["m"]);
    let rows = tested.rows().await;
    let reason = rows.first().and_then(|row| row.reason.as_deref()).unwrap_or_default();
    assert!(reason.starts_with("not an event: "), "{reason:?}");
}

async fn work_that_hangs_is_ended_at_its_time_limit<F: StoreFixture>(fixture: &mut F) {
    let tested = Tested::new(fixture).await;
    for id in ["hangs", "works"] {
        tested.receive(&mail("a", id)).await;
    }
    let worker = tested.inbox.worker(|message: Message| async move {
        match message.event() {
            Event::MailReceived(mail) if mail.message_id == "hangs" => std::future::pending().await,
            _ => Ok::<_, BoxError>(()),
        }
    });

    let worker = worker.with_time_limit(Duration::from_millis(10)).with_attempts(1);
    let tried = worker.run_once().await.expect("the store works");

    assert_eq!((tried.done, tried.dead), (1, 1), "{tried:?}");
    let rows = tested.rows().await;
    let reason = rows.first().and_then(|row| row.reason.as_deref());
    assert_eq!(reason, Some("not done within the time limit"));
}

async fn a_process_that_hangs_is_passed_over_and_changes_nothing_later<F: StoreFixture>(
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

async fn the_lease_of_long_work_is_renewed<F: StoreFixture>(fixture: &mut F) {
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

async fn messages_of_an_agent_are_worked_on_in_order<F: StoreFixture>(fixture: &mut F) {
    let tested = Tested::new(fixture).await;
    for id in ["1", "2", "3"] {
        for agent_id in ["a", "b"] {
            tested.receive(&mail(agent_id, &format!("{agent_id}{id}"))).await;
        }
    }
    let log = Log::default();
    let worker = || {
        let log = log.clone();
        let worker = tested.inbox.worker(move |message: Message| {
            let log = log.clone();
            async move {
                log.add(&message);
                let Event::MailReceived(mail) = message.event() else { return Ok(()) };
                let fails = mail.message_id == "a2" && message.attempt() == 1;
                if fails { Err(BoxError::from("once")) } else { Ok(()) }
            }
        });
        let pause = Duration::from_secs(100);
        worker.in_order_per_agent().with_backoff(Backoff::new(pause, pause))
    };

    let tried = worker().run_once().await.expect("the store works");

    let of = |agent: char| -> Vec<_> {
        log.ids().into_iter().filter(|id| id.starts_with(agent)).collect()
    };
    assert_eq!((tried.done, tried.retried), (4, 1), "{tried:?}");
    assert_eq!(of('a'), ["a1", "a2"], "a failure holds up the later ones of its agent");
    assert_eq!(of('b'), ["b1", "b2", "b3"], "and not those of another");
    fixture.advance(&tested.store, Duration::from_secs(101)).await;
    let tried = worker().run_once().await.expect("the store works");
    assert_eq!(tried.done, 2, "{tried:?}");
    assert_eq!(of('a'), ["a1", "a2", "a2", "a3"]);
}

async fn interrupted_messages_are_tried_one_at_a_time<F: StoreFixture>(fixture: &mut F) {
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

async fn draining_waits_for_the_current_work_and_leaves_the_rest<F: StoreFixture>(fixture: &mut F) {
    let tested = Tested::new(fixture).await;
    for id in 0..5 {
        tested.receive(&mail("a", &id.to_string())).await;
    }
    let resume = Arc::new(tokio::sync::Semaphore::new(0));
    let waiting = Arc::clone(&resume);
    let worker = tested.inbox.worker(move |_: Message| {
        let waiting = Arc::clone(&waiting);
        async move {
            waiting.acquire().await?.forget();
            Ok::<_, BoxError>(())
        }
    });
    let workers = worker.with_concurrency(2).spawn();
    until(async || tested.inbox.stats().attempts == 2).await;

    let drain = tokio::spawn(workers.drain(Duration::from_secs(60)));
    time::sleep(Duration::from_millis(20)).await;
    resume.add_permits(5);
    let drained = drain.await.expect("it does not panic");

    assert_eq!(drained.unfinished, 0);
    let counts = tested.inbox.counts().await.expect("the store works");
    assert_eq!((counts.done, counts.waiting, counts.taken), (2, 3, 0), "{counts:?}");
    assert!(tested.rows().await.iter().skip(2).all(|row| row.attempts == 0));
}

async fn a_server_that_comes_and_goes_kills_no_message<F: StoreFixture>(fixture: &mut F) {
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

async fn an_operator_can_redrive_and_give_up<F: StoreFixture>(fixture: &mut F) {
    let tested = Tested::new(fixture).await;
    for id in ["1", "2"] {
        tested.receive(&mail("a", id)).await;
    }
    let works = async |_: Message| Ok::<_, BoxError>(());
    let works = move |message| Box::pin(works(message));
    let of = |state| Filter::new().with_state(state);
    let inbox = &tested.inbox;
    let id = tested.rows().await.first().expect("two are stored").id;

    let given_up = inbox.give_up(Filter::new().with_id(id), "a duplicate order").await;
    assert_eq!(given_up.expect("the store works"), 1);
    assert_eq!(
        inbox.worker(works).run_once().await.expect("the store works").done,
        1,
        "the other one"
    );
    assert_eq!(tested.states().await, [State::Dead, State::Done]);
    let redriven = inbox.redrive(of(State::Dead), "ann@example.com").await;
    assert_eq!(redriven.expect("the store works"), 1);
    let rows = tested.rows().await;
    let row = rows.first().expect("two are stored");
    assert_eq!((row.redrives, row.redriven_by.as_deref()), (1, Some("ann@example.com")));
    assert_eq!(row.reason.as_deref(), Some("a duplicate order"));

    assert_eq!(inbox.worker(works).run_once().await.expect("the store works").done, 1);

    let shown = inbox.show(id).await.expect("the store works").expect("there is one");
    assert_eq!(shown.body, mail("a", "1"));
    assert_eq!(shown.row.state, State::Done);
}

/// Waits until a condition is true, without a time limit.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    while !holds().await {
        time::sleep(Duration::from_millis(5)).await;
    }
}
