//! One model of a store's rules, and both stores held against it.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a broken test panics")]

use std::{collections::HashMap, time::Duration};

use agentmail_conformance::RedisServer;
use agentmail_receive::{
    Key, Memory, Redis,
    dedupe::{Backend, Claimed, Holding, Owner},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

const LEASE: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(3_600);

#[derive(Debug, Clone, Copy)]
enum Step {
    Claim { key: usize, owner: usize },
    Renew { key: usize, owner: usize },
    Complete { key: usize, owner: usize },
    Release { key: usize, owner: usize },
    Forget { key: usize },
    LeasesEnd,
    AllEnds,
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Claimed(Claimed),
    Holding(Holding),
    Forgot(bool),
    Nothing,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let call = (0..2_usize, 0..3_usize);
    let step = prop_oneof![
        4 => call.clone().prop_map(|(key, owner)| Step::Claim { key, owner }),
        2 => call.clone().prop_map(|(key, owner)| Step::Renew { key, owner }),
        2 => call.clone().prop_map(|(key, owner)| Step::Complete { key, owner }),
        2 => call.prop_map(|(key, owner)| Step::Release { key, owner }),
        1 => (0..2_usize).prop_map(|key| Step::Forget { key }),
        1 => Just(Step::LeasesEnd),
        1 => Just(Step::AllEnds),
    ];
    prop::collection::vec(step, 1..30)
}

/// The table in the documentation of `Backend`, in the plainest words.
#[derive(Default)]
struct Model(HashMap<usize, (State, usize)>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Claimed,
    Handled,
}

impl Model {
    fn answer(&mut self, step: Step) -> Answer {
        let Self(keys) = self;
        match step {
            Step::Claim { key, owner } => Answer::Claimed(match keys.get(&key) {
                Some((State::Handled, _)) => Claimed::AlreadyHandled,
                Some((State::Claimed, by)) if *by != owner => Claimed::InFlight,
                _ => {
                    keys.insert(key, (State::Claimed, owner));
                    Claimed::Now
                }
            }),
            Step::Renew { key, owner } => Answer::Holding(match keys.get(&key) {
                Some((_, by)) if *by == owner => Holding::Held,
                _ => Holding::Lost,
            }),
            Step::Complete { key, owner } => Answer::Holding(match keys.get(&key) {
                Some((_, by)) if *by != owner => Holding::Lost,
                _ => {
                    keys.insert(key, (State::Handled, owner));
                    Holding::Held
                }
            }),
            Step::Release { key, owner } => {
                if keys.get(&key) == Some(&(State::Claimed, owner)) {
                    keys.remove(&key);
                }
                Answer::Nothing
            }
            Step::Forget { key } => {
                let handled = matches!(keys.get(&key), Some((State::Handled, _)));
                if handled {
                    keys.remove(&key);
                }
                Answer::Forgot(handled)
            }
            Step::LeasesEnd => {
                keys.retain(|_, (state, _)| *state == State::Handled);
                Answer::Nothing
            }
            Step::AllEnds => {
                keys.clear();
                Answer::Nothing
            }
        }
    }
}

/// A store, and a way to let time pass in it.
trait Subject {
    type Backend: Backend;
    fn backend(&self) -> &Self::Backend;
    async fn leases_end(&self);
    async fn all_ends(&self);
}

async fn follows_the_model(subject: &impl Subject, steps: &[Step]) {
    let (backend, mut model) = (subject.backend(), Model::default());
    let key = |number: usize| Key::of_body("model", &number.to_be_bytes());
    let owners = [(); 3].map(|()| Owner::random());

    for (at, step) in steps.iter().enumerate() {
        let answer = match *step {
            Step::Claim { key: k, owner } => {
                Answer::Claimed(backend.claim(key(k), owners[owner], LEASE).await.unwrap())
            }
            Step::Renew { key: k, owner } => {
                Answer::Holding(backend.renew(key(k), owners[owner], LEASE).await.unwrap())
            }
            Step::Complete { key: k, owner } => {
                Answer::Holding(backend.complete(key(k), owners[owner], RETENTION).await.unwrap())
            }
            Step::Release { key: k, owner } => {
                backend.release(key(k), owners[owner]).await.unwrap();
                Answer::Nothing
            }
            Step::Forget { key: k } => Answer::Forgot(backend.forget(key(k)).await.unwrap()),
            Step::LeasesEnd => {
                subject.leases_end().await;
                Answer::Nothing
            }
            Step::AllEnds => {
                subject.all_ends().await;
                Answer::Nothing
            }
        };
        assert_eq!(answer, model.answer(*step), "step {at} of {steps:?}");
    }
}

fn for_many(cases: u32, run: impl Fn(Vec<Step>)) {
    let mut runner =
        TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner
        .run(&steps(), |steps| {
            run(steps);
            Ok(())
        })
        .unwrap();
}

struct InMemory(Memory);

impl Subject for InMemory {
    type Backend = Memory;

    fn backend(&self) -> &Memory {
        &self.0
    }

    async fn leases_end(&self) {
        tokio::time::advance(LEASE).await;
    }

    async fn all_ends(&self) {
        tokio::time::advance(RETENTION).await;
    }
}

#[test]
fn memory_follows_the_model() {
    for_many(2_000, |steps| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(follows_the_model(&InMemory(Memory::new()), &steps));
    });
}

struct OnRedis {
    redis: Redis,
    client: redis::Client,
}

impl OnRedis {
    /// Lets each key end whose value begins so, as the server itself would.
    async fn end(&self, beginning: &str) {
        let mut connection = self.client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> =
            redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        for key in keys {
            let value: String =
                redis::cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
            if value.starts_with(beginning) {
                let ended: i64 = redis::cmd("PEXPIRE")
                    .arg(&key)
                    .arg(0)
                    .query_async(&mut connection)
                    .await
                    .unwrap();
                assert_eq!(ended, 1);
            }
        }
    }
}

impl Subject for OnRedis {
    type Backend = Redis;

    fn backend(&self) -> &Redis {
        &self.redis
    }

    async fn leases_end(&self) {
        self.end("claimed:").await;
    }

    async fn all_ends(&self) {
        self.end("").await;
    }
}

#[test]
fn redis_follows_the_model() {
    let server = RedisServer::start(&[]).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let subject = OnRedis {
        redis: Redis::new(&server.url()).unwrap(),
        client: redis::Client::open(server.url()).unwrap(),
    };
    for_many(300, |steps| {
        runtime.block_on(async {
            subject.all_ends().await;
            follows_the_model(&subject, &steps).await;
        });
    });
}

#[tokio::test]
async fn what_stands_on_redis_ends_by_itself() {
    let server = RedisServer::start(&[]).unwrap();
    let redis = Redis::new(&server.url()).unwrap();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (key, owner) = (Key::of_body("model", b"ends"), Owner::random());
    let mut left = async || -> u64 {
        let mut command = redis::cmd("PTTL");
        command.arg(format!("agentmail:{key}")).query_async(&mut connection).await.unwrap()
    };
    let within = |left: u64, from: Duration, to: Duration| {
        from < Duration::from_millis(left) && Duration::from_millis(left) <= to
    };

    redis.claim(key, owner, LEASE).await.unwrap();
    assert!(within(left().await, Duration::ZERO, LEASE));
    redis.renew(key, owner, LEASE * 2).await.unwrap();
    assert!(within(left().await, LEASE, LEASE * 2));
    redis.complete(key, owner, RETENTION).await.unwrap();
    assert!(within(left().await, LEASE * 2, RETENTION));
}
