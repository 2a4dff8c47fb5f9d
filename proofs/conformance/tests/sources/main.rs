//! Secrets that rotate and secrets of many agents under load, in the layers and the extractors of
//! both adapters.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod receivers;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt::Display,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmail_receive::{
    CacheConfig, CachedLookup, Lookup, RequestHead, Source, Tenant, WebhookConfig, path_segment,
};
use agentmail_verify::{Label, Secret, Signer, UnixTime, Verifier, clock_fn};
use futures_util::{StreamExt, future::join_all, stream};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use receivers::{Receiver, Response, Sent, receivers};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

fn secret(name: impl Display) -> Secret {
    let label = name.to_string();
    Secret::new(format!("secret of {label}")).unwrap().with_label(Label::new(&label).unwrap())
}

/// Returns a delivery to the path of one agent, signed with the secret of another and with a body
/// that names a third. They may be the same agent.
fn delivery(path: &str, signer: &str, named: &str, now: UnixTime) -> Sent {
    let body = format!(r#"{{"type":"mail.received","agent_id":"{named}","message_id":"m"}}"#);
    let signed = Signer::new(secret(signer)).sign(now, body.as_bytes());
    let headers = signed.headers().map(|(name, value)| (name, value.to_owned()));
    Sent { path: format!("/agents/{path}/webhook"), headers: headers.to_vec(), body }
}

fn genuine(agent: &str) -> Sent {
    delivery(agent, agent, agent, NOW)
}

fn accepted() -> Response {
    Response { status: 200, code: None, retry_after: None }
}

fn refused_as(code: &'static str) -> Response {
    Response { status: 403, code: Some(code), retry_after: None }
}

fn unavailable(code: &'static str) -> Response {
    Response { status: 503, code: Some(code), retry_after: Some("5".to_owned()) }
}

/// Returns the agent in the path.
fn agent(head: &RequestHead<'_>) -> Option<String> {
    path_segment(head.path(), "/agents/", "/webhook")
}

/// A database of agents, whose lookups take 5 ms.
struct Database {
    tenants: HashMap<String, Tenant>,
    state: Mutex<State>,
    lookups: AtomicUsize,
    running: AtomicUsize,
    /// How many lookups ran at once at most.
    peak: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Works,
    Fails,
    Hangs,
    Panics,
    IsEmpty,
}

impl Database {
    /// Creates a database that knows this many agents.
    fn of(count: usize) -> Self {
        let names = (0..count).map(|number| format!("agent-{number}"));
        let tenants = names.map(|name| {
            let tenant = Tenant::new(Verifier::new(secret(&name)), &*name);
            (name, tenant)
        });
        Self {
            tenants: tenants.collect(),
            state: Mutex::new(State::Works),
            lookups: AtomicUsize::new(0),
            running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }

    async fn find(&self, agent: &str) -> Result<Option<Tenant>, &'static str> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(running, Ordering::Relaxed);
        sleep(Duration::from_millis(5)).await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        let state = *self.state.lock().unwrap();
        match state {
            State::Works => Ok(self.tenants.get(agent).cloned()),
            State::Fails => Err("the database is down"),
            State::Hangs => pending().await,
            State::Panics => panic!("on purpose"),
            State::IsEmpty => Ok(None),
        }
    }
}

fn lookup(database: &Arc<Database>) -> Lookup<String> {
    let database = Arc::clone(database);
    Lookup::new(agent, move |agent: String| {
        let database = Arc::clone(&database);
        async move { database.find(&agent).await }
    })
}

/// Returns a cached lookup whose results are never fresh, so that each delivery needs a lookup.
fn cached(database: &Arc<Database>) -> CachedLookup<String> {
    lookup(database).cached(CacheConfig::default().with_time_to_live(Duration::ZERO))
}

/// Sends 10,000 forgeries at once, which claim to be for this many tenants that do not exist.
async fn flood(receiver: &Receiver, names: usize) -> Vec<Response> {
    let forged = delivery("unknown", "forger", "unknown", NOW);
    let sent = (0..10_000).map(|number| {
        let path = format!("/agents/unknown-{}/webhook", number % names);
        receiver.send(Sent { path, ..forged.clone() })
    });
    join_all(sent).await
}

/// Sends 10,000 deliveries in 10 seconds of tokio's clock, while the secret rotates every 100 ms.
///
/// The clock is paused, and advances to the next timer. A former secret is accepted for 250 ms
/// after it was replaced. A second of the receiver's clock lasts 10 ms, so that a secret can end
/// between two rotations.
#[actix_web::test]
async fn no_delivery_is_lost_in_a_rotation_and_no_ended_secret_is_accepted() {
    tokio::time::pause();
    for way in 0..4 {
        let (mut current, mut former, mut ended) = (0, 0, 0);
        for (age, has_ended, response) in deliveries_during_a_rotation(way).await {
            let expected = if has_ended { refused_as("mismatch") } else { accepted() };
            assert_eq!(response, expected, "{age} rotations old, way {way}");
            match (age, has_ended) {
                (0, _) => current += 1,
                (_, false) => former += 1,
                (_, true) => ended += 1,
            }
        }
        assert_eq!(current + former + ended, 10_000);
        assert!(current > 2_000 && former > 4_000 && ended > 1_000, "{current} {former} {ended}");
    }
}

const ROTATION: u64 = 100;
const OVERLAP: u64 = 250;
const TICK: u64 = 10;

/// Returns the time of the receiver's clock, this many milliseconds after the start.
fn tick(millis: u64) -> UnixTime {
    UnixTime::from_secs(NOW.as_secs() + millis / TICK)
}

/// Returns the last second in which the secret of a generation is accepted.
fn end(generation: u64) -> UnixTime {
    tick((generation + 1) * ROTATION + OVERLAP)
}

fn verifier_of(generation: u64) -> Arc<Verifier> {
    let formers = (generation.saturating_sub(3)..generation).rev();
    Arc::new(formers.fold(Verifier::new(secret(generation)), |verifier, former| {
        verifier.with_secret_until(secret(former), end(former)).unwrap()
    }))
}

/// Returns for each delivery how many rotations old its secret was, whether that secret had ended,
/// and the response.
async fn deliveries_during_a_rotation(way: usize) -> Vec<(u64, bool, Response)> {
    let started = Instant::now();
    let clock = move || tick(started.elapsed().as_millis().try_into().unwrap());
    let (verifiers, watched) = watch::channel(verifier_of(0));
    let receivers =
        receivers(|| WebhookConfig::new(watched.clone()).with_clock(clock_fn(clock))).await;
    let receiver = receivers.get(way).unwrap();
    let current = &Cell::new(0);

    let rotate = async {
        for generation in 1..=100 {
            sleep_until(started + Duration::from_millis(generation * ROTATION)).await;
            verifiers.send_replace(verifier_of(generation));
            current.set(generation);
        }
    };
    let load = stream::iter(0..10_000_u64).map(|number| async move {
        sleep_until(started + Duration::from_millis(number)).await;
        let age = (number % 4).min(current.get());
        let signer = current.get() - age;
        let has_ended = age > 0 && clock() > end(signer);
        let sent = delivery("x", &signer.to_string(), "x", clock());
        (age, has_ended, receiver.send(sent).await)
    });
    let load = load.buffer_unordered(16).collect();
    tokio::join!(load, rotate).0
}

#[actix_web::test]
async fn each_secret_of_a_thousand_agents_is_valid_for_its_own_agent_only() {
    tokio::time::pause();
    let database = Arc::new(Database::of(1_000));
    for receiver in receivers(|| WebhookConfig::new(lookup(&database)).with_clock(NOW)).await {
        for number in 0..1_000 {
            let mine = format!("agent-{number}");
            let yours = format!("agent-{}", (number + 1) % 1_000);
            for (path, signer, named, expected) in [
                (&mine, &mine, &mine, accepted()),
                (&yours, &mine, &mine, refused_as("mismatch")),
                (&yours, &mine, &yours, refused_as("mismatch")),
                (&mine, &mine, &yours, refused_as("other_agent")),
            ] {
                let response = receiver.send(delivery(path, signer, named, NOW)).await;
                assert_eq!(response, expected, "{signer} at {path}, {}", receiver.name);
            }
        }
    }
}

#[actix_web::test]
async fn requests_with_invalid_headers_cause_no_lookup() {
    let database = Arc::new(Database::of(1));
    let good = genuine("agent-0");
    let [(timestamp, time), (signature, value)] = [&good.headers[0], &good.headers[1]];
    let repeated = [&good.headers[..], &good.headers[..1]].concat();
    let headers = [
        vec![],
        vec![("x-agentmail-unsigned", "1".to_owned())],
        vec![(timestamp, time.clone())],
        vec![(signature, value.clone())],
        vec![(timestamp, format!("+{time}")), (signature, value.clone())],
        vec![(timestamp, time.clone()), (signature, "v1=00".to_owned())],
        vec![(timestamp, time.clone()), (signature, value.replace("v1", "v2"))],
        repeated,
    ];
    let headers =
        headers.map(|values| values.into_iter().map(|(name, value)| (name as &str, value)));
    let headers = headers.map(Iterator::collect::<Vec<_>>);

    for receiver in receivers(|| WebhookConfig::new(lookup(&database)).with_clock(NOW)).await {
        for headers in headers.iter().cycle().take(10_000) {
            let sent = Sent { headers: headers.clone(), ..good.clone() };
            assert_eq!(receiver.send(sent).await.status, 403, "{}", receiver.name);
        }
        assert_eq!(database.lookups.load(Ordering::Relaxed), 0, "{}", receiver.name);

        assert_eq!(receiver.send(good.clone()).await, accepted());
        assert_eq!(
            database.lookups.swap(0, Ordering::Relaxed),
            1,
            "{}: a genuine delivery causes a lookup",
            receiver.name
        );
    }
}

#[actix_web::test]
async fn forgeries_for_unknown_tenants_cause_a_bounded_number_of_lookups() {
    tokio::time::pause();
    let database = Arc::new(Database::of(1));
    let config = || WebhookConfig::new(cached(&database)).with_clock(NOW);

    // 32 lookups run at once, and 1,024 wait. Each name is looked up once.
    for (names, expected_lookups) in [(100, 100), (10_000, 32 + 1_024)] {
        for receiver in receivers(config).await {
            let responses = flood(&receiver, names).await;

            let count = |expected| responses.iter().filter(move |it| **it == expected).count();
            let unknown = 10_000.min(10_000 / names * expected_lookups);
            assert_eq!(count(refused_as("unknown_tenant")), unknown, "{}", receiver.name);
            assert_eq!(count(unavailable("lookup_busy")), 10_000 - unknown, "{}", receiver.name);
            let lookups = database.lookups.swap(0, Ordering::Relaxed);
            assert_eq!(lookups, expected_lookups, "{}", receiver.name);
            assert_eq!(database.peak.swap(0, Ordering::Relaxed), 32, "{}", receiver.name);
        }
    }
}

#[actix_web::test]
async fn a_known_tenant_is_served_while_forgeries_name_unknown_tenants() {
    tokio::time::pause();
    let database = Arc::new(Database::of(1));
    let config = || WebhookConfig::new(cached(&database)).with_clock(NOW);

    for receiver in receivers(config).await {
        assert_eq!(receiver.send(genuine("agent-0")).await, accepted(), "{}", receiver.name);
        let served = async {
            let started = Instant::now();
            for _ in 0..60 {
                assert_eq!(receiver.send(genuine("agent-0")).await, accepted());
            }
            // The timer rounds up to whole milliseconds.
            let longest = 60 * Duration::from_millis(6);
            assert!(started.elapsed() <= longest, "it waits for its turn, {}", receiver.name);
        };
        let (flood, ()) = tokio::join!(flood(&receiver, 10_000), served);
        assert!(flood.iter().all(|response| response.status != 200), "{}", receiver.name);
    }
}

#[actix_web::test]
async fn known_tenants_are_served_while_the_source_fails_or_hangs() {
    tokio::time::pause();
    for state in [State::Fails, State::Hangs, State::Panics] {
        let database = Arc::new(Database::of(3));
        let config = || WebhookConfig::new(cached(&database)).with_clock(NOW);
        for receiver in receivers(config).await {
            database.set(State::Works);
            for agent in ["agent-0", "agent-1", "agent-2"] {
                assert_eq!(receiver.send(genuine(agent)).await, accepted(), "{}", receiver.name);
            }

            database.set(state);
            for second in 0..60 {
                for agent in ["agent-0", "agent-1"] {
                    let response = receiver.send(genuine(agent)).await;
                    assert_eq!(response, accepted(), "{state:?}, {second} s, {}", receiver.name);
                }
                sleep(Duration::from_secs(1)).await;
            }
            let forged = receiver.send(delivery("agent-0", "forger", "agent-0", NOW)).await;
            assert_eq!(forged, refused_as("mismatch"), "{state:?}, {}", receiver.name);
            let new = receiver.send(genuine("agent-new")).await;
            assert_eq!(new.status, 503, "{state:?}, {}", receiver.name);

            // The source works again, and does not know the tenant any more.
            database.set(State::IsEmpty);
            sleep(Duration::from_secs(20)).await;
            let removed = receiver.send(genuine("agent-0")).await;
            assert_eq!(removed, refused_as("unknown_tenant"), "{state:?}, {}", receiver.name);
            database.set(State::Fails);
            sleep(Duration::from_secs(10)).await;
            let removed = receiver.send(genuine("agent-0")).await;
            assert_eq!(removed, unavailable("lookup_failed"), "{state:?}, {}", receiver.name);
        }
    }
}

#[actix_web::test]
async fn a_tenant_that_was_forgotten_is_looked_up_at_once() {
    let database = Arc::new(Database::of(1));
    let handles = RefCell::new(Vec::new());
    let config = || {
        let cached = lookup(&database).cached(CacheConfig::default());
        handles.borrow_mut().push(cached.clone());
        WebhookConfig::new(cached).with_clock(NOW)
    };
    let receivers = receivers(config).await;
    for (receiver, handle) in receivers.iter().zip(handles.take()) {
        database.set(State::Works);
        assert_eq!(receiver.send(genuine("agent-0")).await, accepted(), "{}", receiver.name);
        database.set(State::IsEmpty);
        assert_eq!(receiver.send(genuine("agent-0")).await, accepted(), "{}", receiver.name);

        handle.forget("agent-0");
        let removed = receiver.send(genuine("agent-0")).await;
        assert_eq!(removed, refused_as("unknown_tenant"), "{}", receiver.name);

        database.set(State::Works);
        handle.forget("agent-0");
        assert_eq!(receiver.send(genuine("agent-0")).await, accepted(), "{}", receiver.name);
    }
}

#[actix_web::test]
async fn a_slow_or_failing_lookup_is_503_and_the_next_request_works() {
    tokio::time::pause();
    for cached in [false, true] {
        let config = || {
            let lookup = Lookup::new(agent, |agent: String| async move {
                match &*agent {
                    "slow" => pending().await,
                    "failing" => Err("the store is down"),
                    _ => Ok(Some(Tenant::new(Verifier::new(secret(&agent)), agent))),
                }
            });
            let cache = CacheConfig::default();
            let source: Source = if cached { lookup.cached(cache).into() } else { lookup.into() };
            WebhookConfig::new(source).with_clock(NOW)
        };
        for receiver in receivers(config).await {
            let started = Instant::now();
            // Sixteen deliveries wait at the same time. None waits longer than the timeout.
            let slow = join_all((0..16).map(|_| receiver.send(genuine("slow")))).await;
            assert_eq!(slow, vec![unavailable("lookup_timeout"); 16], "{}", receiver.name);
            assert_eq!(started.elapsed().as_secs(), 5, "{}", receiver.name);

            let failing = receiver.send(genuine("failing")).await;
            assert_eq!(failing, unavailable("lookup_failed"), "{}", receiver.name);
            assert_eq!(receiver.send(genuine("agent-0")).await, accepted(), "{}", receiver.name);
        }
    }
}

#[actix_web::test]
async fn a_panic_while_a_key_is_read_refuses_one_delivery() {
    let config = || {
        let lookup = Lookup::new(
            |head| agent(head).filter(|agent| agent != "panic" || panic!("on purpose")),
            |agent: String| async move {
                Ok::<_, &str>(Some(Tenant::new(Verifier::new(secret(&agent)), agent)))
            },
        );
        WebhookConfig::new(lookup).with_clock(NOW)
    };
    for receiver in receivers(config).await {
        let response = receiver.send(genuine("panic")).await;
        assert_eq!(response, unavailable("lookup_failed"), "{}", receiver.name);
        assert_eq!(receiver.send(genuine("agent-0")).await, accepted(), "{}", receiver.name);
    }
}
