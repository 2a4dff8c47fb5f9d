use std::{sync::Arc, time::Duration};

use agentmail_verify::Event;
use tokio::time;

use crate::{
    backoff::Backoff,
    filter::Filter,
    message::Message,
    state::State,
    store::BoxError,
    testing::{
        fixture::StoreFixture,
        worker_test::tested::{Log, Tested, mail, until},
    },
};

pub(super) async fn messages_of_an_agent_are_worked_on_in_order<F: StoreFixture>(fixture: &mut F) {
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

pub(super) async fn draining_waits_for_the_current_work_and_leaves_the_rest<F: StoreFixture>(
    fixture: &mut F,
) {
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

pub(super) async fn an_operator_can_redrive_and_give_up<F: StoreFixture>(fixture: &mut F) {
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
