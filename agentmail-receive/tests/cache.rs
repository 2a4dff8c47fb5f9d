//! What the cache of a lookup keeps, and how often a lookup runs.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmail_receive::{
    CacheConfig, Lookup, Refusal, RequestHead, Tenant, WebhookConfig, path_segment,
};
use futures_util::{FutureExt, future::join_all};
use tokio::sync::Semaphore;

use common::{NOW, body_of, receive, tenant};

const HOUR: Duration = Duration::from_secs(3_600);

/// A store of tenants that counts the lookups. A test can change the results and delay them.
struct Store {
    lookups: AtomicUsize,
    failing: AtomicBool,
    knows_c: AtomicBool,
    /// Each lookup takes one permit, and waits until there is one.
    permits: Semaphore,
}

impl Store {
    /// Creates a store whose lookups end at once.
    fn open() -> Arc<Self> {
        Self::with(Semaphore::MAX_PERMITS)
    }

    /// Creates a store that completes this many lookups. All later ones wait.
    fn with(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            lookups: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            knows_c: AtomicBool::new(false),
            permits: Semaphore::new(permits),
        })
    }

    async fn tenant(&self, agent: &str) -> Result<Option<Tenant>, &'static str> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        self.permits.acquire().await.unwrap().forget();
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
            |head: &RequestHead<'_>| path_segment(head.path(), "/agents/", "/webhook"),
            move |agent: String| {
                let store = Arc::clone(&store);
                async move { store.tenant(&agent).await }
            },
        );
        WebhookConfig::new(lookup.cached(cache)).with_clock(NOW)
    }

    fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }
}

fn long() -> CacheConfig {
    CacheConfig::default()
        .with_max_tenants(1_000)
        .with_time_to_live(HOUR)
        .with_miss_budget(1_000)
        .with_miss_time_to_live(HOUR)
}

async fn outcome(config: &WebhookConfig, agent: &str) -> Result<(), &'static str> {
    let outcome = receive(config, agent, agent, body_of(agent)).await;
    outcome.map(drop).map_err(|refusal| refusal.code())
}

#[tokio::test]
async fn a_known_and_an_unknown_tenant_are_looked_up_once() {
    let store = Store::open();
    let config = store.config(long());

    for _ in 0..100 {
        assert_eq!(outcome(&config, "a").await, Ok(()));
        assert_eq!(outcome(&config, "c").await, Err("unknown_tenant"));
        assert_eq!(outcome(&config.clone(), "b").await, Ok(()), "clones share the cache");
    }

    assert_eq!(store.lookups(), 3);
}

#[tokio::test]
async fn an_error_is_not_kept() {
    let store = Store::open();
    let config = store.config(long());

    store.failing.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(outcome(&config, "a").await, Err("lookup_failed"));
    }
    store.failing.store(false, Ordering::Relaxed);
    assert_eq!(outcome(&config, "a").await, Ok(()));

    assert_eq!(store.lookups(), 4);
}

#[tokio::test]
async fn a_cached_result_expires() {
    let store = Store::open();
    let short = Duration::from_millis(1);
    let config = store.config(
        CacheConfig::default()
            .with_max_tenants(10)
            .with_time_to_live(short)
            .with_miss_budget(10)
            .with_miss_time_to_live(short),
    );

    assert_eq!(outcome(&config, "a").await, Ok(()));
    assert_eq!(outcome(&config, "c").await, Err("unknown_tenant"));
    store.knows_c.store(true, Ordering::Relaxed);
    // The cache does not use tokio's clock. This is longer than the cache keeps the results.
    std::thread::sleep(Duration::from_millis(5));
    assert_eq!(outcome(&config, "a").await, Ok(()));
    assert_eq!(outcome(&config, "c").await, Ok(()), "a new tenant");

    assert_eq!(store.lookups(), 4);
}

#[tokio::test]
async fn lookups_of_one_tenant_at_the_same_time_share_one_result() {
    for (agent, failing, expected) in [
        ("a", false, Ok(())),
        ("c", false, Err("unknown_tenant")),
        ("a", true, Err("lookup_failed")),
    ] {
        let store = Store::with(0);
        store.failing.store(failing, Ordering::Relaxed);
        let config = store.config(long());

        let all = join_all((0..64).map(|_| outcome(&config, agent)));
        let open = async {
            // This runtime has one thread. After this loop, all lookups wait.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            store.permits.add_permits(64);
        };
        let (outcomes, ()) = tokio::join!(all, open);

        assert_eq!(outcomes, [expected; 64], "{agent}, failing: {failing}");
        assert_eq!(store.lookups(), 1, "{agent}, failing: {failing}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lookup_goes_on_when_its_requests_are_cancelled() {
    let store = Store::with(0);
    let config = store.config(long());
    for _ in 0..300 {
        let mut request = Box::pin(outcome(&config, "a"));
        assert!((&mut request).now_or_never().is_none());
        tokio::time::sleep(Duration::from_millis(9)).await;
    }
    let mut last = Box::pin(outcome(&config, "a"));
    assert!((&mut last).now_or_never().is_none());

    store.permits.add_permits(1);

    assert_eq!(last.await, Ok(()));
    assert_eq!(store.lookups(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_hangs_is_503_and_does_not_use_up_the_budget() {
    let store = Store::with(0);
    let config = store.config(long().with_miss_budget(2).with_miss_time_to_live(HOUR));

    for _ in 0..20 {
        let many = (0..50).map(|_| outcome(&config, "a"));
        for outcome in join_all(many).await {
            assert_eq!(outcome, Err("lookup_timeout"));
        }
    }

    store.permits.add_permits(1_000);
    assert_eq!(outcome(&config, "a").await, Ok(()));
}

#[tokio::test]
async fn a_lookup_that_panics_is_an_error() {
    let store = Store::open();
    let config = store.config(long());

    for _ in 0..3 {
        assert_eq!(outcome(&config, "panic").await, Err("lookup_failed"));
    }

    assert_eq!(outcome(&config, "a").await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn unauthenticated_clients_cannot_exceed_the_lookup_budget() {
    let store = Store::open();
    let config = store.config(
        long()
            .with_max_tenants(1_000)
            .with_time_to_live(Duration::ZERO)
            .with_miss_budget(100)
            .with_miss_time_to_live(HOUR),
    );
    assert_eq!(outcome(&config, "a").await, Ok(()));

    for number in 0..10_000 {
        let expected = if number < 100 { "unknown_tenant" } else { "lookup_busy" };
        assert_eq!(outcome(&config, &format!("unknown-{number}")).await, Err(expected));
    }
    assert_eq!(store.lookups(), 1 + 100);

    // A tenant that was found before is still looked up. A new tenant is refused until the window
    // of the budget ends.
    assert_eq!(outcome(&config, "a").await, Ok(()));
    assert_eq!(store.lookups(), 1 + 100 + 1);
    assert_eq!(outcome(&config, "b").await, Err("lookup_busy"));
    tokio::time::advance(HOUR).await;
    assert_eq!(outcome(&config, "b").await, Ok(()));
}

#[tokio::test]
async fn tenants_that_are_found_do_not_use_up_the_budget() {
    let store = Store::open();
    let config = store.config(long().with_miss_budget(1).with_miss_time_to_live(HOUR));

    assert_eq!(outcome(&config, "a").await, Ok(()));
    assert_eq!(outcome(&config, "b").await, Ok(()));
    assert_eq!(outcome(&config, "c").await, Err("unknown_tenant"));
    assert_eq!(outcome(&config, "d").await, Err("lookup_busy"));
    assert_eq!(Refusal::LookupBusy.status(), 503);
}
