//! What a lookup's cache keeps, and how often the source is asked.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmail_receive::{CacheConfig, Lookup, Refusal, RequestHead, Tenant, WebhookConfig};
use futures_util::{FutureExt, future::join_all};
use tokio::sync::Semaphore;

use common::{NOW, body_of, receive, tenant};

const HOUR: Duration = Duration::from_secs(3_600);

/// A source whose answers can be changed and held back, and that counts the questions.
struct Store {
    asked: AtomicUsize,
    failing: AtomicBool,
    knows_c: AtomicBool,
    answers: Semaphore,
}

impl Store {
    /// Answers at once.
    fn open() -> Arc<Self> {
        Self::with(Semaphore::MAX_PERMITS)
    }

    /// Gives so many answers, and then makes everybody wait.
    fn with(answers: usize) -> Arc<Self> {
        Arc::new(Self {
            asked: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            knows_c: AtomicBool::new(false),
            answers: Semaphore::new(answers),
        })
    }

    async fn tenant(&self, agent: &str) -> Result<Option<Tenant>, &'static str> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answers.acquire().await.unwrap().forget();
        assert_ne!(agent, "panic");
        if self.failing.load(Ordering::Relaxed) {
            return Err("the store is down");
        }
        let known =
            ["a", "b"].contains(&agent) || agent == "c" && self.knows_c.load(Ordering::Relaxed);
        Ok(known.then(|| tenant(agent)))
    }

    fn config(self: &Arc<Self>, cache: CacheConfig) -> WebhookConfig {
        let store = Arc::clone(self);
        let lookup = Lookup::new(
            |head: &RequestHead<'_>| head.segment_between("/agents/", "/webhook"),
            move |agent: String| {
                let store = Arc::clone(&store);
                async move { store.tenant(&agent).await }
            },
        );
        WebhookConfig::new(lookup.cached(cache)).clock(NOW)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn long() -> CacheConfig {
    CacheConfig::default().known(1_000, HOUR).unknown(1_000, HOUR)
}

async fn outcome(config: &WebhookConfig, agent: &str) -> Result<(), &'static str> {
    let outcome = receive(config, agent, agent, body_of(agent)).await;
    outcome.map(drop).map_err(|refusal| refusal.code())
}

#[tokio::test]
async fn a_tenant_is_asked_for_once_and_so_is_one_that_is_unknown() {
    let store = Store::open();
    let config = store.config(long());

    for _ in 0..100 {
        assert_eq!(outcome(&config, "a").await, Ok(()));
        assert_eq!(outcome(&config, "c").await, Err("unknown_tenant"));
        assert_eq!(outcome(&config.clone(), "b").await, Ok(()), "clones share the cache");
    }

    assert_eq!(store.asked(), 3);
}

#[tokio::test]
async fn an_error_is_not_kept() {
    let store = Store::open();
    let config = store.config(long());

    store.failing.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(outcome(&config, "a").await, Err("source_failed"));
    }
    store.failing.store(false, Ordering::Relaxed);
    assert_eq!(outcome(&config, "a").await, Ok(()));

    assert_eq!(store.asked(), 4);
}

#[tokio::test]
async fn an_answer_runs_out() {
    let store = Store::open();
    let short = Duration::from_millis(1);
    let config = store.config(CacheConfig::default().known(10, short).unknown(10, short));

    assert_eq!(outcome(&config, "a").await, Ok(()));
    assert_eq!(outcome(&config, "c").await, Err("unknown_tenant"));
    store.knows_c.store(true, Ordering::Relaxed);
    // Of the cache's clock, which is not tokio's: at least as long as the answers count.
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(outcome(&config, "a").await, Ok(()));
    assert_eq!(outcome(&config, "c").await, Ok(()), "a new tenant");

    assert_eq!(store.asked(), 4);
}

#[tokio::test]
async fn those_who_ask_at_the_same_time_share_one_answer() {
    for (agent, failing, expected) in [
        ("a", false, Ok(())),
        ("c", false, Err("unknown_tenant")),
        ("a", true, Err("source_failed")),
    ] {
        let store = Store::with(0);
        store.failing.store(failing, Ordering::Relaxed);
        let config = store.config(long());

        let all = join_all((0..64).map(|_| outcome(&config, agent)));
        let open = async {
            // On this one thread, all of them have begun to wait by then.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            store.answers.add_permits(64);
        };
        let (outcomes, ()) = tokio::join!(all, open);

        assert_eq!(outcomes, [expected; 64], "{agent}, failing: {failing}");
        assert_eq!(store.asked(), 1, "{agent}, failing: {failing}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_goes_on_when_those_who_ask_go_away() {
    let store = Store::with(0);
    let config = store.config(long());
    for _ in 0..300 {
        let mut asker = Box::pin(outcome(&config, "a"));
        assert!((&mut asker).now_or_never().is_none());
        tokio::time::sleep(Duration::from_millis(9)).await;
    }
    let mut last = Box::pin(outcome(&config, "a"));
    assert!((&mut last).now_or_never().is_none());

    store.answers.add_permits(1);

    assert_eq!(last.await, Ok(()));
    assert_eq!(store.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_503_for_all_and_costs_no_questions() {
    let store = Store::with(0);
    let config = store.config(long().unknown(2, HOUR));

    for _ in 0..20 {
        let many = (0..50).map(|_| outcome(&config, "a"));
        for outcome in join_all(many).await {
            assert_eq!(outcome, Err("source_timeout"));
        }
    }

    store.answers.add_permits(1_000);
    assert_eq!(outcome(&config, "a").await, Ok(()));
}

#[tokio::test]
async fn a_source_that_panics_leaves_nobody_waiting() {
    let store = Store::open();
    let config = store.config(long());

    for _ in 0..3 {
        assert_eq!(outcome(&config, "panic").await, Err("source_failed"));
    }

    assert_eq!(outcome(&config, "a").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn strangers_cannot_make_it_ask_more_than_it_may() {
    let store = Store::open();
    let config = store.config(long().known(1_000, Duration::ZERO).unknown(100, HOUR));
    assert_eq!(outcome(&config, "a").await, Ok(()));

    for stranger in 0..10_000 {
        let expected = if stranger < 100 { "unknown_tenant" } else { "source_busy" };
        assert_eq!(outcome(&config, &format!("stranger-{stranger}")).await, Err(expected));
    }
    assert_eq!(store.asked(), 1 + 100);

    // Whoever has been known once is asked for all the same; a new tenant waits for a while.
    assert_eq!(outcome(&config, "a").await, Ok(()));
    assert_eq!(store.asked(), 1 + 100 + 1);
    assert_eq!(outcome(&config, "b").await, Err("source_busy"));
    tokio::time::advance(HOUR).await;
    assert_eq!(outcome(&config, "b").await, Ok(()));
}

#[tokio::test]
async fn tenants_that_are_found_use_nothing_up() {
    let store = Store::open();
    let config = store.config(long().unknown(1, HOUR));

    assert_eq!(outcome(&config, "a").await, Ok(()));
    assert_eq!(outcome(&config, "b").await, Ok(()));
    assert_eq!(outcome(&config, "c").await, Err("unknown_tenant"));
    assert_eq!(outcome(&config, "d").await, Err("source_busy"));
    assert_eq!(Refusal::SourceBusy.status(), 503);
}
