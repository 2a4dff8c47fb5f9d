use std::{
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use moka::{future::Cache, policy::EvictionPolicy};
use tokio::time::{Instant, timeout};

use super::{
    Lookup, Tenant,
    lookup::{AskFor, Question},
};
use crate::Refusal;

/// How long a [`Lookup`]'s answers count, and how many are kept.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`known`](Self::known) | 10,000 tenants, each for 10 seconds |
/// | [`unknown`](Self::unknown) | 1,000 questions in 5 seconds |
/// | [`question_timeout`](Self::question_timeout) | 5 seconds |
#[derive(Debug, Clone)]
#[must_use]
pub struct CacheConfig {
    known: u64,
    known_for: Duration,
    unknown: u32,
    unknown_for: Duration,
    question_timeout: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            known: 10_000,
            known_for: Duration::from_secs(10),
            unknown: 1_000,
            unknown_for: Duration::from_secs(5),
            question_timeout: Duration::from_secs(5),
        }
    }
}

/// As good as for ever, and within what the cache can count.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

impl CacheConfig {
    /// Sets how many tenants are kept, and for how long.
    ///
    /// A new secret counts when the old answer has run out: what is signed with it until then is a
    /// `mismatch`.
    pub fn known(self, tenants: u64, lifetime: Duration) -> Self {
        Self { known: tenants, known_for: lifetime.min(YEAR), ..self }
    }

    /// Sets for how long a tenant that was not found is not asked for again, and how many questions
    /// about tenants that have never been found are put in that time.
    ///
    /// A new tenant waits no longer than this. When strangers have used up the questions, a tenant
    /// that this process has not found, or found so long ago that it has found as many others as are
    /// kept since, is refused without asking (503, `source_busy`) until that time is over; all others
    /// are served.
    pub fn unknown(self, questions: u32, lifetime: Duration) -> Self {
        Self { unknown: questions, unknown_for: lifetime.min(YEAR), ..self }
    }

    /// Sets how long one question may take, whoever still waits for it. It is the cache's own: a
    /// delivery waits no longer than [`source_timeout`](crate::WebhookConfig::source_timeout).
    pub fn question_timeout(self, timeout: Duration) -> Self {
        Self { question_timeout: timeout, ..self }
    }
}

impl<K> Lookup<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    /// Keeps answers for a while, of tenants that were found and of those that were not. Errors are
    /// not kept.
    ///
    /// While a tenant is being asked for, others who want to know wait for the same answer, and the
    /// question goes on when whoever asked first goes away. The cache is in this process, and all clones
    /// share it. Strangers choose the keys of those that were not found: bound their length, as
    /// [`segment_between`](super::RequestHead::segment_between) does.
    pub fn cached(self, config: CacheConfig) -> Self {
        let Self { key, ask } = self;
        let answers = Arc::new(Answers::new(ask, &config));
        let ask = move |key| -> Question {
            let answers = Arc::clone(&answers);
            Box::pin(answers.of(key))
        };
        Self { key, ask: Arc::new(ask) }
    }
}

struct Answers<K> {
    ask: Arc<AskFor<K>>,
    known: Cache<K, Tenant>,
    /// Who has been known once is asked for whatever strangers do.
    once_known: Cache<K, ()>,
    unknown: Cache<K, ()>,
    budget: Budget,
    question_timeout: Duration,
}

impl<K> Answers<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    fn new(ask: Arc<AskFor<K>>, config: &CacheConfig) -> Self {
        Self {
            ask,
            known: Cache::builder()
                .max_capacity(config.known)
                .time_to_live(config.known_for)
                .build(),
            once_known: recent(config.known).build(),
            // As many as two times' questions, one after the other: none is forgotten early.
            unknown: recent(u64::from(config.unknown).saturating_mul(2))
                .time_to_live(config.unknown_for)
                .build(),
            budget: Budget::new(config.unknown, config.unknown_for),
            question_timeout: config.question_timeout,
        }
    }

    async fn of(self: Arc<Self>, key: K) -> Result<Tenant, Refusal> {
        if let Some(tenant) = self.known.get(&key).await {
            return Ok(tenant);
        }
        if self.unknown.contains_key(&key) {
            return Err(Refusal::UnknownTenant);
        }
        // In a task of its own: whoever asked first may go away, and others wait for the answer.
        let asking = tokio::spawn(async move {
            let question = self.put(key.clone());
            self.known.try_get_with(key, question).await.map_err(|refusal| *refusal)
        });
        asking.await.unwrap_or_else(|_| {
            tracing::error!(target: "agentmail", "the lookup of a tenant panicked");
            Err(Refusal::SourceFailed)
        })
    }

    /// Asks; only one at a time for each key.
    async fn put(&self, key: K) -> Result<Tenant, Refusal> {
        // It may have been asked for since it was looked for.
        if self.unknown.contains_key(&key) {
            return Err(Refusal::UnknownTenant);
        }
        let stranger = self.once_known.get(&key).await.is_none();
        if stranger && !self.budget.take() {
            return Err(Refusal::SourceBusy);
        }
        let asked = timeout(self.question_timeout, (self.ask)(key.clone())).await;
        let timed_out = Refusal::SourceTimeout { timeout: self.question_timeout };
        let answer = asked.unwrap_or(Err(timed_out));
        match answer {
            Ok(_) if stranger => {
                self.budget.give_back();
                self.once_known.insert(key, ()).await;
            }
            Err(Refusal::UnknownTenant) => self.unknown.insert(key, ()).await,
            // It was not the tenant that was wanting.
            Err(_) if stranger => self.budget.give_back(),
            _ => {}
        }
        answer
    }
}

fn recent<K>(capacity: u64) -> moka::future::CacheBuilder<K, (), Cache<K, ()>>
where
    K: Hash + Eq + Send + Sync + 'static,
{
    Cache::builder().max_capacity(capacity).eviction_policy(EvictionPolicy::lru())
}

/// So many questions in such a time.
struct Budget {
    questions: u32,
    period: Duration,
    window: Mutex<Window>,
}

struct Window {
    start: Instant,
    left: u32,
}

impl Budget {
    fn new(questions: u32, period: Duration) -> Self {
        let window = Window { start: Instant::now(), left: questions };
        Self { questions, period, window: Mutex::new(window) }
    }

    fn take(&self) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.start.elapsed() >= self.period {
            *window = Window { start: Instant::now(), left: self.questions };
        }
        let taken = window.left.checked_sub(1);
        window.left = taken.unwrap_or(0);
        taken.is_some()
    }

    fn give_back(&self) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.left = window.left.saturating_add(1).min(self.questions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_budget_is_full_again_after_its_time() {
        let budget = Budget::new(2, Duration::from_secs(5));

        assert_eq!([(); 4].map(|()| budget.take()), [true, true, false, false]);
        budget.give_back();
        assert_eq!([(); 2].map(|()| budget.take()), [true, false]);

        tokio::time::advance(Duration::from_secs(5)).await;
        budget.give_back();
        assert_eq!([(); 3].map(|()| budget.take()), [true, true, false]);
    }
}
