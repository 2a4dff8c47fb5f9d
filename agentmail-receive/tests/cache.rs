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
use tokio::{
    runtime::Builder,
    sync::Semaphore,
    time::{Instant, sleep, sleep_until},
};

use common::{NOW, body_of, receive, tenant};

const HOUR: Duration = Duration::from_secs(3_600);

/// A store of tenants that counts the lookups. A test can change the results and delay them.
struct Store {
    lookups: AtomicUsize,
    failing: AtomicBool,
    knows_c: AtomicBool,
    /// Each lookup takes one permit, and waits until there is one.
    permits: Semaphore,
    /// How long each lookup takes.
    latency: Duration,
    running: AtomicUsize,
    /// How many lookups ran at once at most.
    peak: AtomicUsize,
}

impl Store {
    /// Creates a store whose lookups end at once.
    fn open() -> Arc<Self> {
        Self::with(Semaphore::MAX_PERMITS)
    }

    /// Creates a store that completes this many lookups. All later ones wait.
    fn with(permits: usize) -> Arc<Self> {
        Self::new(permits, Duration::ZERO)
    }

    /// Creates a store whose lookups take this long.
    fn slow(latency: Duration) -> Arc<Self> {
        Self::new(Semaphore::MAX_PERMITS, latency)
    }

    fn new(permits: usize, latency: Duration) -> Arc<Self> {
        Arc::new(Self {
            lookups: AtomicUsize::new(0),
            failing: AtomicBool::new(false),
            knows_c: AtomicBool::new(false),
            permits: Semaphore::new(permits),
            latency,
            running: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        })
    }

    async fn tenant(&self, agent: &str) -> Result<Option<Tenant>, &'static str> {
        self.lookups.fetch_add(1, Ordering::Relaxed);
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(running, Ordering::Relaxed);
        self.permits.acquire().await.unwrap().forget();
        if !self.latency.is_zero() {
            sleep(self.latency).await;
        }
        self.running.fetch_sub(1, Ordering::Relaxed);
        assert_ne!(agent, "panic");
        if self.failing.load(Ordering::Relaxed) {
            return Err("the store is down");
        }
        let is_named = ["a", "b"].contains(&agent) || agent.starts_with("agent-");
        let known = is_named || agent == "c" && self.knows_c.load(Ordering::Relaxed);
        Ok(known.then(|| tenant(agent)))
    }

    fn lookup(self: &Arc<Self>) -> Lookup<String> {
        let store = Arc::clone(self);
        Lookup::new(
            |head: &RequestHead<'_>| path_segment(head.path(), "/agents/", "/webhook"),
            move |agent: String| {
                let store = Arc::clone(&store);
                async move { store.tenant(&agent).await }
            },
        )
    }

    fn config(self: &Arc<Self>, cache: CacheConfig) -> WebhookConfig {
        WebhookConfig::new(self.lookup().cached(cache)).with_clock(NOW)
    }

    fn lookups(&self) -> usize {
        self.lookups.load(Ordering::Relaxed)
    }
}

fn long() -> CacheConfig {
    CacheConfig::default()
        .with_max_tenants(1_000)
        .with_time_to_live(HOUR)
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
            settle().await;
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
async fn a_lookup_that_hangs_is_503_and_its_turn_is_free_afterwards() {
    let store = Store::with(0);
    let config = store.config(long().with_max_concurrent_lookups(2));

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
async fn a_fresh_process_serves_all_agents_below_the_documented_rate() {
    // 32 lookups of 5 ms each: 6,400 names per second. The timer rounds up to 6 ms.
    let store = Store::slow(Duration::from_millis(5));
    let config = store.config(CacheConfig::default());

    let forgeries = every(Duration::from_micros(250), 4_000, |number| {
        let config = config.clone();
        async move { outcome(&config, &format!("unknown-{number}")).await }
    });
    let genuine = every(Duration::from_millis(2), 500, |number| {
        let config = config.clone();
        async move { outcome(&config, &format!("agent-{number}")).await }
    });
    let (forgeries, genuine) = tokio::join!(forgeries, genuine);

    assert_eq!(genuine, vec![Ok(()); 500]);
    assert_eq!(forgeries, vec![Err("unknown_tenant"); 4_000]);
    let peak = store.peak.load(Ordering::Relaxed);
    assert!((10..=32).contains(&peak), "{peak}");
}

#[tokio::test(start_paused = true)]
async fn known_tenants_never_wait_for_the_lookups_of_unauthenticated_clients() {
    let store = Store::slow(Duration::from_millis(5));
    let cached = store.lookup().cached(
        CacheConfig::default().with_time_to_live(Duration::ZERO).with_max_waiting_lookups(100),
    );
    let config = WebhookConfig::new(cached.clone()).with_clock(NOW);
    assert_eq!(outcome(&config, "a").await, Ok(()));
    let flood: Vec<_> = (0..1_000)
        .map(|number| {
            let config = config.clone();
            tokio::spawn(async move { outcome(&config, &format!("unknown-{number}")).await })
        })
        .collect();
    settle().await;

    let started = Instant::now();
    assert_eq!(outcome(&config, "b").await, Err("lookup_busy"), "it has not been found yet");
    assert_eq!(Refusal::LookupBusy.status(), 503);
    assert_eq!(outcome(&config, "a").await, Ok(()), "it has turns of its own");
    assert_eq!(started.elapsed().as_millis(), 5);

    let flood: Vec<_> = join_all(flood).await.into_iter().map(Result::unwrap).collect();
    let found = flood.iter().filter(|outcome| **outcome == Err("unknown_tenant")).count();
    let busy = flood.iter().filter(|outcome| **outcome == Err("lookup_busy")).count();
    assert_eq!((found, busy), (32 + 100, 1_000 - 32 - 100));
    assert_eq!(store.peak.load(Ordering::Relaxed), 32 + 1);
    assert_eq!((cached.stats().lookups, cached.stats().busy), (1 + 132 + 1, 868 + 1));
    assert_eq!(outcome(&config, "b").await, Ok(()), "when the flood is over");
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_waits_for_its_turn_has_the_same_timeout() {
    let store = Store::with(0);
    let cached = store
        .lookup()
        .cached(long().with_max_concurrent_lookups(1).with_lookup_timeout(Duration::from_secs(3)));
    let config = WebhookConfig::new(cached.clone()).with_clock(NOW);
    let started = Instant::now();

    let (running, waiting) = tokio::join!(outcome(&config, "a"), outcome(&config, "b"));

    assert_eq!((running, waiting), (Err("lookup_timeout"), Err("lookup_busy")));
    assert_eq!(started.elapsed().as_secs(), 3);
    assert_eq!(store.lookups(), 1, "the other one never had its turn");
    assert_eq!((cached.stats().failed, cached.stats().busy), (1, 1));

    // A delivery has its own timeout.
    let impatient = config.with_lookup_timeout(Duration::from_secs(1));
    let both = tokio::join!(outcome(&impatient, "a"), outcome(&impatient, "b"));
    assert_eq!(both, (Err("lookup_timeout"), Err("lookup_timeout")));
    assert_eq!(started.elapsed().as_secs(), 4);
}

#[test]
fn a_lookup_on_a_runtime_that_has_shut_down_is_an_error() {
    let config = Store::open().config(long());
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let handle = runtime.handle().clone();
    drop(runtime);
    let _inside = handle.enter();

    for _ in 0..2 {
        assert_eq!(outcome(&config, "a").now_or_never(), Some(Err("lookup_failed")));
    }
}

#[tokio::test]
async fn made_up_names_do_not_displace_tenants() {
    let store = Store::open();
    let config = store.config(long().with_max_tenants(10));
    assert_eq!(outcome(&config, "a").await, Ok(()));

    for number in 0..1_000 {
        let name = format!("unknown-{number}");
        assert_eq!(outcome(&config, &name).await, Err("unknown_tenant"));
    }

    assert_eq!(store.lookups(), 1_001);
    assert_eq!(outcome(&config, "a").await, Ok(()));
    assert_eq!(store.lookups(), 1_001, "it was kept");
}

/// Lets all tasks run until they wait. The runtime has one thread.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Starts a number of tasks, one in each period.
async fn every<F, O>(period: Duration, count: usize, task: impl Fn(usize) -> F) -> Vec<O>
where
    F: Future<Output = O> + Send + 'static,
    O: Send + 'static,
{
    let started = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..count {
        sleep_until(started + period * u32::try_from(number).unwrap()).await;
        tasks.push(tokio::spawn(task(number)));
    }
    join_all(tasks).await.into_iter().map(Result::unwrap).collect()
}
