//! Each outcome of an attempt reaches the observer, and the inbox is sampled without a worker.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use agentmail_inbox::{
    AttemptEnded, AttemptOutcome, Backoff, BoxError, GiveUp, Inbox, InboxConfig, Message,
    MessageKey, MessageStored, NewMessage, Observer, Sample, StoreCall,
    testing::{ManualClock, MemoryStore},
};
use tokio::sync::Notify;

const BODY: &str = r#"{"type":"mail.received","agent_id":"a","message_id":"m"}"#;

#[derive(Default)]
struct Seen {
    attempts: Mutex<Vec<AttemptEnded>>,
    calls: Mutex<Vec<String>>,
    samples: Mutex<Vec<Sample>>,
}

impl Observer for Seen {
    fn stored(&self, stored: &MessageStored) {
        self.calls.lock().unwrap().push(format!("{:?}", stored.stored));
    }

    fn attempt(&self, ended: &AttemptEnded) {
        self.attempts.lock().unwrap().push(*ended);
    }

    fn store_call(&self, call: &StoreCall) {
        assert!(call.duration < Duration::from_secs(60));
        let StoreCall { store, op, succeeded, .. } = call;
        self.calls.lock().unwrap().push(format!("{store} {} {succeeded}", op.name()));
    }

    fn sampled(&self, sample: &Sample) {
        self.samples.lock().unwrap().push(*sample);
    }
}

impl Seen {
    fn outcomes(&self) -> Vec<AttemptOutcome> {
        self.attempts.lock().unwrap().drain(..).map(|ended| ended.outcome).collect()
    }
}

fn inbox(seen: &Arc<Seen>) -> Inbox {
    let config = InboxConfig::default()
        .with_observer(seen.clone())
        .with_sample_interval(Duration::from_millis(100));
    Inbox::with_config(MemoryStore::new(), config)
}

async fn store(inbox: &Inbox, number: u8, body: &'static str) {
    let key = MessageKey::from_bytes([number; 32]);
    inbox.store_message(NewMessage::new(key, "mail.received", body)).await.unwrap();
}

/// Fails in another way in each attempt.
async fn work(message: Message) -> Result<(), BoxError> {
    match message.attempt() {
        1 => Err("an error".into()),
        2 => panic!("a panic"),
        3 => std::future::pending().await,
        _ => Ok(()),
    }
}

#[tokio::test]
async fn each_outcome_of_an_attempt_is_reported_with_its_times() {
    let seen = Arc::<Seen>::default();
    let inbox = inbox(&seen);
    store(&inbox, 1, BODY).await;
    store(&inbox, 1, BODY).await;
    let pause = Duration::from_millis(1);
    let workers = inbox
        .worker(work)
        .with_backoff(Backoff::new(pause, pause))
        .with_time_limit(Duration::from_millis(300))
        .with_poll_interval(Duration::from_millis(10))
        .spawn();
    while seen.attempts.lock().unwrap().len() < 4 {
        tokio::time::sleep(pause).await;
    }
    workers.drain(Duration::from_secs(10)).await;

    let attempts = seen.attempts.lock().unwrap().clone();
    let outcomes: Vec<_> = attempts.iter().map(|ended| ended.outcome.name()).collect();
    assert_eq!(outcomes, ["failed", "panic", "timeout", "done"]);
    assert!(attempts[2].duration.unwrap() >= Duration::from_millis(300), "{attempts:?}");
    let latencies: Vec<_> = attempts.iter().map(|ended| ended.latency.is_some()).collect();
    assert_eq!(latencies, [false, false, false, true], "only of a message that is done");
    assert!(attempts[3].latency.unwrap() >= Duration::from_millis(300), "{attempts:?}");
    let calls = seen.calls.lock().unwrap().clone();
    assert_eq!(&calls[..4], ["memory store true", "New", "memory store true", "Known"]);
    assert!(calls.contains(&"memory take true".to_owned()), "{calls:?}");
    assert!(calls.contains(&"memory finish true".to_owned()), "{calls:?}");
}

#[tokio::test]
async fn a_message_that_is_given_up_or_cannot_be_read_is_dead() {
    let seen = Arc::<Seen>::default();
    let inbox = inbox(&seen);
    store(&inbox, 1, BODY).await;
    store(&inbox, 2, "not an event").await;
    let work = async |_: Message| Err::<(), _>(GiveUp::because("no use"));

    inbox.worker(work).run_once().await.unwrap();

    let attempts = seen.attempts.lock().unwrap().clone();
    assert!(attempts.iter().all(|ended| ended.outcome == AttemptOutcome::Dead), "{attempts:?}");
    let mut begun: Vec<_> = attempts.iter().map(|ended| ended.duration.is_some()).collect();
    begun.sort_unstable();
    assert_eq!(begun, [false, true], "the work of one of them has not begun");
}

#[tokio::test]
async fn an_attempt_whose_message_another_worker_has_is_lost() {
    let (seen, clock) = (Arc::<Seen>::default(), ManualClock::new());
    let config = InboxConfig::default().with_observer(seen.clone());
    let inbox = Inbox::with_config(MemoryStore::with_clock(&clock), config);
    store(&inbox, 1, BODY).await;
    let (begun, resume) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, resumes) = (begun.clone(), resume.clone());
    let hangs = move |_: Message| {
        let (begins, resumes) = (begins.clone(), resumes.clone());
        async move {
            begins.notify_one();
            resumes.notified().await;
            Ok::<_, BoxError>(())
        }
    };
    let hanging = inbox.worker(hangs).spawn();
    begun.notified().await;

    clock.advance(Duration::from_secs(61));
    inbox.worker(async |_| Ok::<_, BoxError>(())).run_once().await.unwrap();
    resume.notify_one();
    hanging.drain(Duration::from_secs(10)).await;

    assert_eq!(seen.outcomes(), [AttemptOutcome::Done, AttemptOutcome::LeaseLost]);
}

#[tokio::test]
async fn the_inbox_is_sampled_although_no_worker_runs() {
    let seen = Arc::<Seen>::default();
    let inbox = inbox(&seen);
    store(&inbox, 1, BODY).await;

    while seen.samples.lock().unwrap().len() < 5 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let samples = seen.samples.lock().unwrap().clone();
    let counts = samples[0].counts.unwrap();
    assert_eq!((counts.due, counts.waiting, counts.running, counts.dead), (1, 0, 0, 0));
    let counted: Vec<_> = samples[..5].iter().map(|sample| sample.counts.is_some()).collect();
    assert_eq!(counted, [true, false, false, false, true]);
    assert!(samples[0].oldest_due < samples[4].oldest_due, "{samples:?}");
    drop(inbox);
    let known = seen.samples.lock().unwrap().len();
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert!(seen.samples.lock().unwrap().len() <= known + 1, "it ends with the inbox");
    assert_eq!(seen.outcomes(), []);
}
