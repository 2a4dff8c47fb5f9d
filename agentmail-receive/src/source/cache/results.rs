use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::{
    policy::EvictionPolicy,
    sync::{Cache, CacheBuilder},
};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{
    config::CacheConfig,
    flight::{Flight, FlightTask, Outcome, Progress},
    lanes::Lanes,
    outage::Outage,
    stats::{Counters, LookupStats},
};
use crate::{
    refusal::Refusal,
    source::{Failure, lookup::FindFn, tenant::Tenant},
};

/// The results that are kept, and the lookups that run.
pub(super) struct Results<K> {
    pub(super) find: Arc<FindFn<K>>,
    pub(super) config: CacheConfig,
    /// A tenant is fresh at first. Later it is the last known result, while its lookup fails.
    found: Cache<K, Found>,
    /// When each name was not found.
    missed: Cache<K, Instant>,
    /// The tenants that were found recently, also after their results have expired.
    known: Cache<K, ()>,
    /// Locked while what is kept changes.
    state: Mutex<State<K>>,
    lanes: Lanes,
    counters: Counters,
}

#[derive(Clone)]
struct Found {
    tenant: Tenant,
    at: Instant,
}

struct State<K> {
    flights: HashMap<K, Flight>,
    next_id: u64,
    outage: Outage,
}

/// What a delivery does next.
enum Next {
    Respond(Result<Tenant, Failure>),
    Wait { progress: watch::Receiver<Progress>, has_last: bool },
}

impl<K> Results<K>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    pub(super) fn new(find: Arc<FindFn<K>>, config: CacheConfig) -> Self {
        Self {
            find,
            found: recent(&config).time_to_live(stale_until(&config)).build(),
            missed: recent(&config).time_to_live(config.miss_time_to_live()).build(),
            known: recent(&config).build(),
            state: Mutex::new(State {
                flights: HashMap::new(),
                next_id: 0,
                outage: Outage::new(config.lookup_timeout()),
            }),
            lanes: Lanes::new(&config),
            counters: Counters::default(),
            config,
        }
    }

    pub(super) fn stats(&self) -> LookupStats {
        self.counters.stats()
    }

    pub(super) async fn get(self: Arc<Self>, key: K) -> Result<Tenant, Failure> {
        loop {
            let (mut progress, has_last) = match self.next(&key) {
                Next::Respond(result) => return result,
                Next::Wait { progress, has_last } => (progress, has_last),
            };
            let failure = match self.wait(&mut progress, has_last).await {
                Progress::Done(Err(failure)) if failure.refusal != Refusal::UnknownTenant => {
                    Some(failure)
                }
                Progress::Done(found) => return found,
                Progress::Running | Progress::Slow => None,
                Progress::Forgotten => continue,
            };
            let last = self.use_last(&key, &mut self.lock());
            match (last, failure) {
                (Some(tenant), _) => return Ok(tenant),
                (None, Some(failure)) => return Err(failure),
                // The last known result has just become too old, or was deleted.
                (None, None) => {}
            }
        }
    }

    /// Deletes everything that is kept of a key, and the result of a lookup that runs.
    pub(super) fn forget<Q>(&self, key: &Q)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let mut state = self.lock();
        if let Some(flight) = state.flights.remove(key) {
            flight.progress.send_replace(Progress::Forgotten);
        }
        self.found.invalidate(key);
        self.missed.invalidate(key);
    }

    /// A lookup has got its turn.
    pub(super) fn started(&self) {
        self.counters.count(|stats| &mut stats.lookups);
    }

    /// A lookup takes longer than a delivery waits that has a last known result.
    pub(super) fn is_slow(&self, key: &K, id: u64) {
        let mut state = self.lock();
        self.failed(key, None, &mut state);
        if let Some(flight) = state.flights.get(key).filter(|flight| flight.id == id) {
            flight.progress.send_replace(Progress::Slow);
        }
    }

    /// A lookup has ended. Its result is kept, unless it was forgotten.
    pub(super) fn ended(&self, key: &K, id: u64, outcome: Outcome) {
        let mut state = self.lock();
        let Outcome { found, is_in_time } = outcome;
        match found.as_ref().map_err(|failure| failure.refusal) {
            Ok(_) | Err(Refusal::UnknownTenant) if is_in_time => state.outage.succeeded(),
            Ok(_) | Err(Refusal::UnknownTenant) => {}
            Err(Refusal::LookupBusy) => self.counters.count(|stats| &mut stats.busy),
            Err(_) => {
                self.counters.count(|stats| &mut stats.failed);
                let error = found.as_ref().err().and_then(|failure| failure.error.clone());
                self.failed(key, error, &mut state);
            }
        }
        if state.flights.get(key).is_none_or(|flight| flight.id != id) {
            return;
        }
        match &found {
            Ok(tenant) => {
                let found = Found { tenant: tenant.clone(), at: Instant::now() };
                self.missed.invalidate(key);
                self.found.insert(key.clone(), found);
                self.known.insert(key.clone(), ());
            }
            Err(Failure { refusal: Refusal::UnknownTenant, .. }) => {
                self.found.invalidate(key);
                self.known.invalidate(key);
                self.missed.insert(key.clone(), Instant::now());
            }
            Err(_) => {}
        }
        if let Some(flight) = state.flights.remove(key) {
            flight.progress.send_replace(Progress::Done(found));
        }
    }

    fn next(self: &Arc<Self>, key: &K) -> Next {
        if let Some(result) = self.fresh(key) {
            return Next::Respond(result);
        }
        let (next, task) = self.decide(key, &mut self.lock());
        // In a task of its own: the first client may disconnect while others wait. Outside of the
        // lock: a runtime that shuts down drops the task here.
        if let Some(task) = task {
            tokio::spawn(task.run());
        }
        next
    }

    fn decide(self: &Arc<Self>, key: &K, state: &mut State<K>) -> (Next, Option<FlightTask<K>>) {
        // A lookup may have ended since.
        if let Some(result) = self.fresh(key) {
            return (Next::Respond(result), None);
        }
        let has_last = self.last(key).is_some();
        let is_outage = has_last && state.outage.is_on();
        let running = state.flights.get(key).map(|flight| flight.progress.subscribe());
        let (progress, task) = match running {
            Some(progress) => (Ok(progress), None),
            None if is_outage && !state.outage.may_probe() => (Err(Refusal::LookupFailed), None),
            None => match self.start(key, state) {
                Some((progress, task)) => (Ok(progress), Some(task)),
                None => (Err(Refusal::LookupBusy), None),
            },
        };
        let next = match progress {
            Ok(progress) if !is_outage => Next::Wait { progress, has_last },
            progress => {
                let refusal = progress.err().unwrap_or(Refusal::LookupFailed);
                Next::Respond(self.use_last(key, state).ok_or(refusal.into()))
            }
        };
        (next, task)
    }

    /// Prepares a lookup, unless too many wait.
    fn start(
        self: &Arc<Self>,
        key: &K,
        state: &mut State<K>,
    ) -> Option<(watch::Receiver<Progress>, FlightTask<K>)> {
        let Some(place) = self.lanes.admit(self.known.get(key).is_some()) else {
            self.counters.count(|stats| &mut stats.busy);
            return None;
        };
        let id = state.next_id;
        state.next_id = id.wrapping_add(1);
        let (sender, progress) = watch::channel(Progress::Running);
        state.flights.insert(key.clone(), Flight { id, progress: sender });
        let results = Arc::clone(self);
        let task = FlightTask { results, key: key.clone(), id, place, outcome: Outcome::default() };
        Some((progress, task))
    }

    /// Waits until the lookup has ended. With a last known result, it does not wait for long.
    async fn wait(&self, progress: &mut watch::Receiver<Progress>, has_last: bool) -> Progress {
        let ended = progress.wait_for(|progress| match progress {
            Progress::Running => false,
            Progress::Slow => has_last,
            Progress::Done(_) | Progress::Forgotten => true,
        });
        let patience = if has_last { self.config.stale_after() } else { Duration::MAX };
        match timeout(patience, ended).await {
            Ok(Ok(progress)) => progress.clone(),
            // The sender is in the map until the lookup has ended.
            Ok(Err(_)) => Progress::Done(Err(Refusal::LookupFailed.into())),
            Err(_) => Progress::Running,
        }
    }

    /// Returns the result that needs no lookup.
    fn fresh(&self, key: &K) -> Option<Result<Tenant, Failure>> {
        if let Some(found) = self.found_within(key, self.config.time_to_live()) {
            return Some(Ok(found));
        }
        let missed_at = self.missed.get(key)?;
        (missed_at.elapsed() < self.config.miss_time_to_live())
            .then_some(Err(Refusal::UnknownTenant.into()))
    }

    /// Returns the result that may be used while the lookup fails.
    fn last(&self, key: &K) -> Option<Tenant> {
        self.found_within(key, stale_until(&self.config))
    }

    fn use_last(&self, key: &K, state: &mut State<K>) -> Option<Tenant> {
        let last = self.last(key)?;
        self.counters.count(|stats| &mut stats.stale);
        state.outage.used_last();
        Some(last.stale())
    }

    /// Notes that the source fails, if it fails for a known tenant: nobody can cause this by making
    /// up names.
    fn failed(&self, key: &K, error: Option<Arc<str>>, state: &mut State<K>) {
        if self.last(key).is_some() {
            state.outage.failed(error);
        }
    }

    fn found_within(&self, key: &K, age: Duration) -> Option<Tenant> {
        let found = self.found.get(key)?;
        (found.at.elapsed() < age).then_some(found.tenant)
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How old a result may be that is used while the lookup fails.
fn stale_until(config: &CacheConfig) -> Duration {
    config.time_to_live().saturating_add(config.stale_if_error())
}

/// Keeps the entries that were used last.
fn recent<K, V>(config: &CacheConfig) -> CacheBuilder<K, V, Cache<K, V>>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(config.max_tenants()).eviction_policy(EvictionPolicy::lru())
}
