//! Live secrets and secrets per agent under load, in both adapters, whichever way in.
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

use agentmail_receive::{CacheConfig, Lookup, RequestHead, Tenant, WebhookConfig};
use agentmail_verify::{Secret, Signer, UnixTime, Verifier};
use futures_util::{StreamExt, future::join_all, stream};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use receivers::{Answer, Sent, receivers};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

fn secret(name: impl Display) -> Secret {
    let label = name.to_string();
    Secret::new(format!("secret of {label}")).unwrap().with_label(&label).unwrap()
}

/// A delivery at the path of an agent, signed with somebody's secret, that names an agent.
fn delivery(path: &str, signer: &str, named: &str, now: UnixTime) -> Sent {
    let body = format!(r#"{{"type":"mail.received","agent_id":"{named}","message_id":"m"}}"#);
    let signed = Signer::new(secret(signer)).sign(now, body.as_bytes());
    let headers = signed.headers().map(|(name, value)| (name, value.to_owned()));
    Sent { path: format!("/agents/{path}/webhook"), headers: headers.to_vec(), body }
}

fn genuine(agent: &str) -> Sent {
    delivery(agent, agent, agent, NOW)
}

fn taken() -> Answer {
    Answer { status: 200, code: None, retry_after: None }
}

fn refused(code: &'static str) -> Answer {
    Answer { status: 403, code: Some(code), retry_after: None }
}

fn unavailable(code: &'static str) -> Answer {
    Answer { status: 503, code: Some(code), retry_after: Some("5".to_owned()) }
}

/// Tells the agent from the path.
fn agent(head: &RequestHead<'_>) -> Option<String> {
    head.segment_between("/agents/", "/webhook")
}

/// Looks up among so many agents, and counts the questions.
fn agents(count: usize, asked: &Arc<AtomicUsize>) -> Lookup<String> {
    let names = (0..count).map(|number| format!("agent-{number}"));
    let tenants = names.map(|name| {
        let tenant = Tenant::new(Verifier::new(secret(&name)), &*name);
        (name, tenant)
    });
    let tenants: Arc<HashMap<_, _>> = Arc::new(tenants.collect());
    let asked = Arc::clone(asked);
    Lookup::new(agent, move |agent: String| {
        asked.fetch_add(1, Ordering::Relaxed);
        let tenant = tenants.get(&agent).cloned();
        async { Ok::<_, &str>(tenant) }
    })
}

/// 10,000 deliveries in 10 seconds of tokio's clock, which leaps from timer to timer, while the secret
/// rotates every 100 ms. A second of the receiver's clock lasts 10 ms, so that ends fall between the
/// rotations: a former secret is accepted for 250 ms after it was replaced.
#[actix_web::test]
async fn no_delivery_is_lost_while_the_secret_rotates_and_none_passes_after_its_end() {
    tokio::time::pause();
    for way in 0..4 {
        let (mut current, mut former, mut ended) = (0, 0, 0);
        for (age, past_its_end, answer) in deliveries_during_a_rotation(way).await {
            let expected = if past_its_end { refused("mismatch") } else { taken() };
            assert_eq!(answer, expected, "{age} rotations old, way {way}");
            match (age, past_its_end) {
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

/// The receiver's clock, so many milliseconds from the start.
fn tick(millis: u64) -> UnixTime {
    UnixTime::from_secs(NOW.as_secs() + millis / TICK)
}

/// The last second in which the secret of a generation is accepted.
fn end(generation: u64) -> UnixTime {
    tick((generation + 1) * ROTATION + OVERLAP)
}

fn verifier_of(generation: u64) -> Arc<Verifier> {
    let formers = (generation.saturating_sub(3)..generation).rev();
    Arc::new(formers.fold(Verifier::new(secret(generation)), |verifier, former| {
        verifier.accept_until(secret(former), end(former)).unwrap()
    }))
}

/// Returns of each delivery how many rotations old its secret was, whether that was past its end, and
/// the answer.
async fn deliveries_during_a_rotation(way: usize) -> Vec<(u64, bool, Answer)> {
    let started = Instant::now();
    let clock = move || tick(started.elapsed().as_millis().try_into().unwrap());
    let (verifiers, watched) = watch::channel(verifier_of(0));
    let receivers = receivers(|| WebhookConfig::new(watched.clone()).clock(clock)).await;
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
        let past_its_end = age > 0 && clock() > end(signer);
        let sent = delivery("x", &signer.to_string(), "x", clock());
        (age, past_its_end, receiver.send(sent).await)
    });
    let load = load.buffer_unordered(16).collect();
    tokio::join!(load, rotate).0
}

#[actix_web::test]
async fn a_thousand_agents_each_speak_for_themselves_and_no_other() {
    let asked = Arc::default();
    for receiver in receivers(|| WebhookConfig::new(agents(1_000, &asked)).clock(NOW)).await {
        for number in 0..1_000 {
            let mine = format!("agent-{number}");
            let yours = format!("agent-{}", (number + 1) % 1_000);
            for (path, signer, named, expected) in [
                (&mine, &mine, &mine, taken()),
                (&yours, &mine, &mine, refused("mismatch")),
                (&yours, &mine, &yours, refused("mismatch")),
                (&mine, &mine, &yours, refused("other_agent")),
            ] {
                let answer = receiver.send(delivery(path, signer, named, NOW)).await;
                assert_eq!(answer, expected, "{signer} at {path}, {}", receiver.name);
            }
        }
    }
}

#[actix_web::test]
async fn scanner_noise_never_reaches_the_source() {
    let asked = Arc::default();
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
    let headers = headers.map(|lines| lines.into_iter().map(|(name, value)| (name as &str, value)));
    let headers = headers.map(Iterator::collect::<Vec<_>>);

    for receiver in receivers(|| WebhookConfig::new(agents(1, &asked)).clock(NOW)).await {
        for headers in headers.iter().cycle().take(10_000) {
            let sent = Sent { headers: headers.clone(), ..good.clone() };
            assert_eq!(receiver.send(sent).await.status, 403, "{}", receiver.name);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 0, "{}", receiver.name);

        assert_eq!(receiver.send(good.clone()).await, taken());
        assert_eq!(asked.swap(0, Ordering::Relaxed), 1, "{}: a genuine one does", receiver.name);
    }
}

#[actix_web::test]
async fn forgeries_for_unknown_tenants_ask_a_bounded_number_of_times() {
    const HOUR: Duration = Duration::from_secs(3_600);
    let asked = Arc::default();
    let cache = CacheConfig::default().known(1_000, HOUR).unknown(500, HOUR);
    let config = || WebhookConfig::new(agents(1, &asked).cached(cache.clone())).clock(NOW);

    for (strangers, questions) in [(100, 100), (10_000, 500)] {
        for receiver in receivers(config).await {
            for number in 0..10_000 {
                let path = format!("stranger-{}", number % strangers);
                let answer = receiver.send(delivery(&path, "forger", &path, NOW)).await;
                let spent = strangers > 500 && number >= 500;
                let expected =
                    if spent { unavailable("source_busy") } else { refused("unknown_tenant") };
                assert_eq!(answer, expected, "{}", receiver.name);
            }
            assert_eq!(asked.swap(0, Ordering::Relaxed), questions, "{}", receiver.name);
        }
    }
}

#[actix_web::test]
async fn a_tenant_that_is_known_is_served_whatever_strangers_do() {
    let asked = Arc::default();
    let cache = CacheConfig::default().unknown(10, Duration::from_secs(3_600));
    let config = || WebhookConfig::new(agents(1, &asked).cached(cache.clone())).clock(NOW);

    for receiver in receivers(config).await {
        for number in 0..1_000 {
            let path = format!("stranger-{number}");
            assert_eq!(receiver.send(genuine("agent-0")).await, taken(), "{}", receiver.name);
            assert_ne!(receiver.send(delivery(&path, "forger", &path, NOW)).await.status, 200);
        }
    }
}

#[actix_web::test]
async fn a_slow_or_failing_source_is_503_and_the_next_request_works() {
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
            WebhookConfig::new(if cached { lookup.cached(cache) } else { lookup }).clock(NOW)
        };
        for receiver in receivers(config).await {
            let started = Instant::now();
            // Sixteen wait at the same time: none of them for longer than the timeout.
            let slow = join_all((0..16).map(|_| receiver.send(genuine("slow")))).await;
            assert_eq!(slow, vec![unavailable("source_timeout"); 16], "{}", receiver.name);
            assert_eq!(started.elapsed().as_secs(), 5, "{}", receiver.name);

            let failing = receiver.send(genuine("failing")).await;
            assert_eq!(failing, unavailable("source_failed"), "{}", receiver.name);
            assert_eq!(receiver.send(genuine("agent-0")).await, taken(), "{}", receiver.name);
        }
    }
}

#[actix_web::test]
async fn a_panic_in_the_first_step_refuses_one_delivery() {
    let config = || {
        let lookup = Lookup::new(
            |head| agent(head).filter(|agent| agent != "panic" || panic!("on purpose")),
            |agent: String| async move {
                Ok::<_, &str>(Some(Tenant::new(Verifier::new(secret(&agent)), agent)))
            },
        );
        WebhookConfig::new(lookup).clock(NOW)
    };
    for receiver in receivers(config).await {
        let answer = receiver.send(genuine("panic")).await;
        assert_eq!(answer, unavailable("source_failed"), "{}", receiver.name);
        assert_eq!(receiver.send(genuine("agent-0")).await, taken(), "{}", receiver.name);
    }
}
