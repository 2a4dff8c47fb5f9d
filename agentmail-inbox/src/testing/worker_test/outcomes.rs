use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agentmail_receive::MessageKey;
use agentmail_verify::Event;

use crate::{
    backoff::Backoff,
    message::Message,
    new_message::NewMessage,
    retry::{GiveUp, Retry},
    state::State,
    store::{BoxError, Stored},
    testing::{
        fixture::StoreFixture,
        worker_test::tested::{Log, Tested, delivery, mail},
    },
};

pub(super) async fn ids_of_any_kind_are_stored_and_worked_on<F: StoreFixture>(fixture: &mut F) {
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

pub(super) async fn a_failure_is_tried_again_and_then_the_message_is_dead<F: StoreFixture>(
    fixture: &mut F,
) {
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

pub(super) async fn an_error_says_what_happens_next<F: StoreFixture>(fixture: &mut F) {
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

pub(super) async fn what_is_not_an_event_is_dead_at_once<F: StoreFixture>(fixture: &mut F) {
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

pub(super) async fn work_that_hangs_is_ended_at_its_time_limit<F: StoreFixture>(fixture: &mut F) {
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
