//! What a cached lookup does while its source fails, and which of two results is used.
//!
//! The test completes each lookup by itself, and the clock is paused.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::{collections::VecDeque, fmt::Write, time::Duration};

use agentmail_receive::{
    CacheConfig, CachedLookup, Lookup, RequestHead, Tenant, WebhookConfig, path_segment,
};
use agentmail_verify::{Label, Secret, Verifier};
use futures_util::FutureExt;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, advance},
};

use common::{NOW, body_of, receive};

type Found = Result<Option<Tenant>, &'static str>;

/// A lookup that waits for its result.
struct Call {
    /// The first lookup is number 0.
    number: usize,
    agent: String,
    result: oneshot::Sender<Found>,
}

impl Call {
    /// Finds the tenant. The label of its secret is the number of this lookup.
    fn found(self) {
        let secret = Secret::new(format!("secret of {}", self.agent)).unwrap();
        let secret = secret.with_label(Label::new(&self.number.to_string()).unwrap());
        let tenant = Tenant::new(Verifier::new(secret), &*self.agent);
        self.result.send(Ok(Some(tenant))).unwrap();
    }

    fn unknown(self) {
        self.result.send(Ok(None)).unwrap();
    }

    fn fails(self) {
        self.result.send(Err("the source is down")).unwrap();
    }
}

/// A receiver, and the lookups that it starts.
struct Receiver {
    cached: CachedLookup<String>,
    config: WebhookConfig,
    calls: mpsc::UnboundedReceiver<(String, oneshot::Sender<Found>)>,
    started: usize,
}

type Delivered = Result<usize, &'static str>;

impl Receiver {
    fn new(cache: CacheConfig) -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        let lookup = Lookup::new(
            |head: &RequestHead<'_>| path_segment(head.path(), "/agents/", "/webhook"),
            move |agent: String| {
                let (result, found) = oneshot::channel();
                sender.send((agent, result)).unwrap();
                async { found.await.unwrap_or_else(|_| panic!("on purpose")) }
            },
        );
        let cached = lookup.cached(cache);
        let config = WebhookConfig::new(cached.clone()).with_clock(NOW);
        Self { cached, config, calls, started: 0 }
    }

    /// Starts a genuine delivery. Its result is the number of the lookup that found its secret.
    fn deliver(&self, agent: &str) -> JoinHandle<Delivered> {
        let (config, agent) = (self.config.clone(), agent.to_owned());
        tokio::spawn(async move {
            let delivery = receive(&config, &agent, &agent, body_of(&agent)).await;
            let delivery = delivery.map_err(|refusal| refusal.code())?;
            Ok(delivery.receipt().label().as_str().parse().unwrap())
        })
    }

    /// Returns the next lookup that has started.
    async fn call(&mut self) -> Option<Call> {
        settle().await;
        let (agent, result) = self.calls.try_recv().ok()?;
        self.started += 1;
        Some(Call { number: self.started - 1, agent, result })
    }

    /// Delivers to an agent for the first time.
    async fn find(&mut self, agent: &str) {
        let first = self.deliver(agent);
        self.call().await.unwrap().found();
        first.await.unwrap().unwrap();
    }
}

/// Lets all tasks run until they wait. The runtime has one thread.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Returns the result of a delivery that waits for nothing.
async fn now(delivery: JoinHandle<Delivered>) -> Delivered {
    settle().await;
    delivery.now_or_never().expect("the delivery waits").unwrap()
}

const TTL: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn the_last_result_is_used_while_the_source_fails_or_panics() {
    let mut receiver = Receiver::new(CacheConfig::default());
    receiver.find("a").await;

    for panics in [false, true] {
        advance(TTL).await;
        let delivery = receiver.deliver("a");
        let call = receiver.call().await.unwrap();
        if panics {
            drop(call);
        } else {
            call.fails();
        }
        assert_eq!(now(delivery).await, Ok(0));
    }

    let stats = receiver.cached.stats();
    assert_eq!((stats.lookups, stats.failed, stats.stale), (3, 2, 2));

    // A tenant that was never found has no last result.
    let delivery = receiver.deliver("b");
    receiver.call().await.unwrap().fails();
    assert_eq!(now(delivery).await, Err("lookup_failed"));
}

#[tokio::test(start_paused = true)]
async fn the_last_result_is_used_for_ten_minutes_at_most() {
    let mut receiver = Receiver::new(CacheConfig::default());
    receiver.find("a").await;

    advance(TTL + 9 * MINUTE + Duration::from_secs(59)).await;
    let delivery = receiver.deliver("a");
    receiver.call().await.unwrap().fails();
    assert_eq!(now(delivery).await, Ok(0));

    advance(Duration::from_secs(1)).await;
    let delivery = receiver.deliver("a");
    receiver.call().await.unwrap().fails();
    assert_eq!(now(delivery).await, Err("lookup_failed"));
}

#[tokio::test(start_paused = true)]
async fn zero_turns_the_last_result_off() {
    let mut receiver = Receiver::new(CacheConfig::default().with_stale_if_error(Duration::ZERO));
    receiver.find("a").await;
    advance(TTL).await;

    let delivery = receiver.deliver("a");
    receiver.call().await.unwrap().fails();

    assert_eq!(now(delivery).await, Err("lookup_failed"));
    assert_eq!(receiver.cached.stats().stale, 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_tenant_is_refused_at_once_and_stays_refused_when_the_source_fails() {
    let mut receiver = Receiver::new(CacheConfig::default());
    receiver.find("a").await;
    advance(TTL).await;

    let delivery = receiver.deliver("a");
    receiver.call().await.unwrap().unknown();
    assert_eq!(now(delivery).await, Err("unknown_tenant"));

    advance(TTL).await;
    let delivery = receiver.deliver("a");
    receiver.call().await.unwrap().fails();
    assert_eq!(now(delivery).await, Err("lookup_failed"), "no last result is left");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_keeps_known_tenants_waiting_once() {
    const AGENTS: [&str; 3] = ["a", "b", "c"];
    let mut receiver = Receiver::new(CacheConfig::default());
    for agent in AGENTS {
        receiver.find(agent).await;
    }
    advance(TTL).await;

    // From now on, no lookup ends by itself. The calls are kept: a dropped one panics.
    let mut calls = VecDeque::new();
    let started = Instant::now();
    let first = receiver.deliver("a");
    assert_eq!(first.await.unwrap(), Ok(0));
    assert_eq!(started.elapsed().as_millis(), 250);
    for second in 0..60 {
        for (number, agent) in AGENTS.into_iter().enumerate() {
            assert_eq!(now(receiver.deliver(agent)).await, Ok(number), "{agent}, {second} s");
        }
        while let Some(call) = receiver.call().await {
            calls.push_back(call);
        }
        advance(Duration::from_secs(1)).await;
        settle().await;
    }

    // At most one per second, and each takes five: three agents start 36 in a minute.
    let probes = calls.len();
    assert!((30..=61).contains(&probes), "{probes}");
    assert_eq!(receiver.cached.stats().stale, 1 + 3 * 60);

    // One of the lookups in the background ends: "b" was removed.
    let runs = |call: &Call| call.agent == "b" && !call.result.is_closed();
    let removed = calls.iter().position(runs).unwrap();
    calls.remove(removed).unwrap().unknown();
    assert_eq!(now(receiver.deliver("b")).await, Err("unknown_tenant"));

    // The others time out. Then the source is back, and one lookup in the background shows it.
    advance(Duration::from_secs(5)).await;
    settle().await;
    assert_eq!(now(receiver.deliver("c")).await, Ok(2));
    let call = receiver.call().await.unwrap();
    let number = call.number;
    call.found();
    assert_eq!(now(receiver.deliver("c")).await, Ok(number));
    let waiting = receiver.deliver("a");
    receiver.call().await.unwrap().unknown();
    assert_eq!(now(waiting).await, Err("unknown_tenant"), "its last result is not used any more");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_with_all_turns_taken_keeps_nobody_waiting_either() {
    let agents: Vec<_> = (0..100).map(|number| format!("agent-{number}")).collect();
    let mut receiver = Receiver::new(CacheConfig::default());
    for agent in &agents {
        receiver.find(agent).await;
    }
    advance(TTL).await;

    let mut calls = Vec::new();
    let first: Vec<_> = agents.iter().map(|agent| receiver.deliver(agent)).collect();
    for (number, first) in first.into_iter().enumerate() {
        assert_eq!(first.await.unwrap(), Ok(number), "after 250 ms");
    }
    for _ in 0..30 {
        for (number, agent) in agents.iter().enumerate() {
            assert_eq!(now(receiver.deliver(agent)).await, Ok(number), "{agent}");
        }
        while let Some(call) = receiver.call().await {
            calls.push(call);
        }
        advance(Duration::from_secs(1)).await;
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_one_unknown_name_does_not_make_results_of_tenants_stale() {
    let mut receiver = Receiver::new(CacheConfig::default());
    receiver.find("a").await;
    advance(TTL).await;

    let delivery = receiver.deliver("broken");
    receiver.call().await.unwrap().fails();
    assert_eq!(now(delivery).await, Err("lookup_failed"));

    let delivery = receiver.deliver("a");
    receiver.call().await.unwrap().unknown();
    assert_eq!(now(delivery).await, Err("unknown_tenant"), "it was removed");
}

#[tokio::test(start_paused = true)]
async fn a_known_tenant_is_served_when_too_many_lookups_wait() {
    let cache = CacheConfig::default().with_max_concurrent_lookups(2).with_max_waiting_lookups(0);
    let mut receiver = Receiver::new(cache);
    for agent in ["a", "b"] {
        receiver.find(agent).await;
    }
    advance(TTL).await;

    let waiting = receiver.deliver("a");
    let call = receiver.call().await.unwrap();
    assert_eq!(now(receiver.deliver("b")).await, Ok(1));
    assert_eq!((receiver.cached.stats().busy, receiver.cached.stats().stale), (1, 1));

    call.found();
    assert_eq!(now(waiting).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_was_forgotten_is_looked_up_again() {
    let mut receiver = Receiver::new(CacheConfig::default());
    receiver.find("a").await;
    receiver.cached.forget("a");

    let delivery = receiver.deliver("a");
    receiver.call().await.unwrap().found();
    assert_eq!(now(delivery).await, Ok(1));

    // A miss is forgotten too.
    let delivery = receiver.deliver("new");
    receiver.call().await.unwrap().unknown();
    assert_eq!(now(delivery).await, Err("unknown_tenant"));
    receiver.cached.clone().forget("new");
    let delivery = receiver.deliver("new");
    receiver.call().await.unwrap().found();
    assert_eq!(now(delivery).await, Ok(3));

    // So is the last known result.
    receiver.cached.forget("new");
    let delivery = receiver.deliver("new");
    receiver.call().await.unwrap().fails();
    assert_eq!(now(delivery).await, Err("lookup_failed"));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_was_on_its_way_when_its_tenant_was_forgotten_is_not_used() {
    let mut receiver = Receiver::new(CacheConfig::default());
    let waiting = receiver.deliver("a");
    let old = receiver.call().await.unwrap();

    receiver.cached.forget("a");
    let new = receiver.call().await.expect("the delivery looks its tenant up again");
    old.found();
    settle().await;
    assert!(!waiting.is_finished());
    new.unknown();

    assert_eq!(now(waiting).await, Err("unknown_tenant"));
    assert_eq!(now(receiver.deliver("a")).await, Err("unknown_tenant"));
}

/// What can happen to one tenant.
#[derive(Debug, Clone, Copy)]
enum Step {
    Deliver,
    Forget,
    /// The oldest or the newest lookup that runs ends.
    OldestFound,
    OldestUnknown,
    NewestUnknown,
    NewestFails,
    /// Deliveries no longer wait for a lookup if there is a last result.
    Slow,
    /// Results expire.
    Expire,
}

const STEPS: [Step; 8] = [
    Step::Deliver,
    Step::Forget,
    Step::OldestFound,
    Step::OldestUnknown,
    Step::NewestUnknown,
    Step::NewestFails,
    Step::Slow,
    Step::Expire,
];

/// Tries each order of three steps for a tenant that is not known, and of four for a known one.
#[tokio::test(start_paused = true)]
async fn no_order_of_events_brings_an_old_result_back() {
    let mut receiver = Receiver::new(CacheConfig::default());
    for (is_known, count) in [(false, 3), (true, 4)] {
        for order in 0..STEPS.len().pow(count) {
            let steps = (0..count).map(|at| STEPS[order / STEPS.len().pow(at) % STEPS.len()]);
            let agent = format!("agent-{is_known}-{order}");
            check(&mut receiver, &agent, is_known, steps.collect()).await;
        }
    }
}

async fn check(receiver: &mut Receiver, agent: &str, is_known: bool, steps: Vec<Step>) {
    let mut calls = VecDeque::new();
    // Results of lookups with a lower number must not be used by a delivery that is not done.
    let mut oldest = 0;
    let mut deliveries: Vec<JoinHandle<Delivered>> = Vec::new();
    let mut log = format!("known: {is_known}, {steps:?}");
    if is_known {
        receiver.find(agent).await;
        // The first delivery finds that the result has expired, and waits for a lookup.
        advance(TTL).await;
        deliveries.push(receiver.deliver(agent));
        calls.extend(receiver.call().await);
    }

    for step in steps {
        match step {
            Step::Deliver => deliveries.push(receiver.deliver(agent)),
            Step::Forget => {
                receiver.cached.forget(agent);
                oldest = receiver.started;
            }
            Step::OldestFound => drop(calls.pop_front().map(Call::found)),
            Step::OldestUnknown => is_unknown(calls.pop_front(), &mut oldest),
            Step::NewestUnknown => is_unknown(calls.pop_back(), &mut oldest),
            Step::NewestFails => drop(calls.pop_back().map(Call::fails)),
            Step::Slow => advance(Duration::from_millis(250)).await,
            Step::Expire => advance(TTL).await,
        }
        while let Some(call) = receiver.call().await {
            write!(log, ", lookup {} after {step:?}", call.number).unwrap();
            calls.push_back(call);
        }
        calls.retain(|call| !call.result.is_closed());
        for delivery in deliveries.extract_if(.., |delivery| delivery.is_finished()) {
            match delivery.await.unwrap() {
                Ok(number) => assert!(number >= oldest, "{number} is used, {log}"),
                Err(code) => assert_ne!(code, "mismatch", "{log}"),
            }
        }
    }
    for call in calls {
        call.fails();
    }
}

/// The result of a lookup deletes all earlier ones, unless it was forgotten itself.
fn is_unknown(call: Option<Call>, oldest: &mut usize) {
    let Some(call) = call else { return };
    if call.number >= *oldest {
        *oldest = call.number + 1;
    }
    call.unknown();
}
