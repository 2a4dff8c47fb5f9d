//! Secrets that rotate and secrets of many agents under load, in the layers and the extractors of
//! both adapters.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod receivers;

use std::{
    cell::Cell,
    collections::HashMap,
    fmt::Display,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmail_receive::{CacheConfig, Lookup, RequestHead, Tenant, WebhookConfig, path_segment};
use agentmail_verify::{Label, Secret, Signer, UnixTime, Verifier, clock_fn};
use futures_util::{StreamExt, future::join_all, stream};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use receivers::{Response, Sent, receivers};

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

fn refused(code: &'static str) -> Response {
    Response { status: 403, code: Some(code), retry_after: None }
}

fn unavailable(code: &'static str) -> Response {
    Response { status: 503, code: Some(code), retry_after: Some("5".to_owned()) }
}

/// Returns the agent in the path.
fn agent(head: &RequestHead<'_>) -> Option<String> {
    path_segment(head.path(), "/agents/", "/webhook")
}

/// Returns a lookup that knows this many agents, and counts how often it runs.
fn agents(count: usize, lookups: &Arc<AtomicUsize>) -> Lookup<String> {
    let names = (0..count).map(|number| format!("agent-{number}"));
    let tenants = names.map(|name| {
        let tenant = Tenant::new(Verifier::new(secret(&name)), &*name);
        (name, tenant)
    });
    let tenants: Arc<HashMap<_, _>> = Arc::new(tenants.collect());
    let lookups = Arc::clone(lookups);
    Lookup::new(agent, move |agent: String| {
        lookups.fetch_add(1, Ordering::Relaxed);
        let tenant = tenants.get(&agent).cloned();
        async { Ok::<_, &str>(tenant) }
    })
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
            let expected = if has_ended { refused("mismatch") } else { accepted() };
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
    let lookups = Arc::default();
    for receiver in receivers(|| WebhookConfig::new(agents(1_000, &lookups)).with_clock(NOW)).await
    {
        for number in 0..1_000 {
            let mine = format!("agent-{number}");
            let yours = format!("agent-{}", (number + 1) % 1_000);
            for (path, signer, named, expected) in [
                (&mine, &mine, &mine, accepted()),
                (&yours, &mine, &mine, refused("mismatch")),
                (&yours, &mine, &yours, refused("mismatch")),
                (&mine, &mine, &yours, refused("other_agent")),
            ] {
                let response = receiver.send(delivery(path, signer, named, NOW)).await;
                assert_eq!(response, expected, "{signer} at {path}, {}", receiver.name);
            }
        }
    }
}

#[actix_web::test]
async fn requests_with_invalid_headers_cause_no_lookup() {
    let lookups = Arc::default();
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

    for receiver in receivers(|| WebhookConfig::new(agents(1, &lookups)).with_clock(NOW)).await {
        for headers in headers.iter().cycle().take(10_000) {
            let sent = Sent { headers: headers.clone(), ..good.clone() };
            assert_eq!(receiver.send(sent).await.status, 403, "{}", receiver.name);
        }
        assert_eq!(lookups.load(Ordering::Relaxed), 0, "{}", receiver.name);

        assert_eq!(receiver.send(good.clone()).await, accepted());
        assert_eq!(
            lookups.swap(0, Ordering::Relaxed),
            1,
            "{}: a genuine delivery causes a lookup",
            receiver.name
        );
    }
}

#[actix_web::test]
async fn forgeries_for_unknown_tenants_cause_a_bounded_number_of_lookups() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let lookups = Arc::default();
    let cache = CacheConfig::default()
        .with_max_tenants(1_000)
        .with_time_to_live(HOUR)
        .with_miss_budget(500)
        .with_miss_time_to_live(HOUR);
    let config = || WebhookConfig::new(agents(1, &lookups).cached(cache.clone())).with_clock(NOW);

    for (names, expected_lookups) in [(100, 100), (10_000, 500)] {
        for receiver in receivers(config).await {
            for number in 0..10_000 {
                let path = format!("unknown-{}", number % names);
                let response = receiver.send(delivery(&path, "forger", &path, NOW)).await;
                let spent = names > 500 && number >= 500;
                let expected =
                    if spent { unavailable("lookup_busy") } else { refused("unknown_tenant") };
                assert_eq!(response, expected, "{}", receiver.name);
            }
            assert_eq!(lookups.swap(0, Ordering::Relaxed), expected_lookups, "{}", receiver.name);
        }
    }
}

#[actix_web::test]
async fn a_known_tenant_is_served_while_forgeries_name_unknown_tenants() {
    let lookups = Arc::default();
    let cache = CacheConfig::default()
        .with_miss_budget(10)
        .with_miss_time_to_live(Duration::from_secs(3_600));
    let config = || WebhookConfig::new(agents(1, &lookups).cached(cache.clone())).with_clock(NOW);

    for receiver in receivers(config).await {
        for number in 0..1_000 {
            let path = format!("unknown-{number}");
            assert_eq!(receiver.send(genuine("agent-0")).await, accepted(), "{}", receiver.name);
            assert_ne!(receiver.send(delivery(&path, "forger", &path, NOW)).await.status, 200);
        }
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
            WebhookConfig::new(if cached { lookup.cached(cache) } else { lookup }).with_clock(NOW)
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
