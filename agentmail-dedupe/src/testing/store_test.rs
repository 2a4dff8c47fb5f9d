use std::{error::Error, fmt, sync::Arc, time::Duration};

use crate::{
    config::CENTURY,
    key::ClaimKey,
    owner::Owner,
    store::{BoxError, ClaimOutcome, ClaimStore, LeaseState},
    testing::{
        fixture::StoreFixture,
        model::{LEASE, LONGEST_PAUSE, Models, RETENTION},
        random::Random,
        step::{Call, KEYS, OWNERS, Outcome, Step, steps_of},
    },
};

/// A test of a [`ClaimStore`]. See the [module](super).
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_seed`](Self::with_seed) | 0 |
/// | [`with_runs`](Self::with_runs) | 300 |
/// | [`with_lease`](Self::with_lease) | 60 seconds |
#[derive(Debug, Clone, Copy)]
#[must_use = "a test does nothing until it runs"]
pub struct StoreTest {
    seed: u64,
    runs: usize,
    lease: Duration,
}

/// How many runs simplify a failure. A store that sleeps takes seconds for each.
const MAX_RUNS_TO_SHORTEN: usize = 300;

impl StoreTest {
    /// Returns a test with the default settings.
    pub const fn new() -> Self {
        Self { seed: 0, runs: 300, lease: Duration::from_secs(60) }
    }

    /// Sets the seed of the random calls. The same seed makes the same calls.
    pub const fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Sets the number of runs, each with an empty store.
    ///
    /// The first 216 runs begin with each combination of two calls and the time between them. Then
    /// follow up to 30 random steps: one to three calls at once, or time that passes.
    pub const fn with_runs(self, runs: usize) -> Self {
        Self { runs, ..self }
    }

    /// Sets the lease of the claims.
    ///
    /// The retention is twice the lease. A step that lets time pass takes 7/12, 7/6 or 7/3 of the
    /// lease. The calls of one run must take less than a quarter of the lease in all.
    pub const fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Runs the test. It needs a tokio runtime.
    ///
    /// # Panics
    ///
    /// The store breaks the rules, returns an error, or panics. The message is the list of steps
    /// that shows it.
    pub async fn run(self, fixture: &mut impl StoreFixture) {
        for run in 0..self.runs {
            let mut random = Random::of_run(self.seed, run);
            let names = Names::random(&mut random);
            let steps = steps_of(run, &mut random);
            if let Err(failure) = self.follow(fixture, &names, &steps).await {
                let failure = self.shorten(fixture, &names, failure).await;
                let of = format!("seed {}, run {run}", self.seed);
                panic!("the store breaks the rules of `ClaimStore` ({of}):\n{failure}");
            }
        }
        if let Err(error) = self.check_longest_times(fixture).await {
            panic!(
                "the store does not keep a lease of a day and a retention of a century: {error}"
            );
        }
    }

    /// Makes the calls, and compares each outcome with the rules.
    async fn follow(
        &self,
        fixture: &mut impl StoreFixture,
        names: &Names,
        steps: &[Step],
    ) -> Result<(), Failure> {
        let store = Arc::new(fixture.empty_store().await);
        let mut models = Models::empty();
        let mut log = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            match step {
                Step::TimePasses { units: 0 } => {}
                Step::TimePasses { units } => {
                    let time = self.time(*units);
                    fixture.advance(time).await;
                    models.advance(*units);
                    log.push(format!("{time:?} pass"));
                }
                Step::Calls(calls) => {
                    let outcomes = self.call_at_once(&store, names, calls).await;
                    log.push(show(calls, &outcomes));
                    let outcomes: Option<Vec<_>> = outcomes.into_iter().map(Result::ok).collect();
                    let after = outcomes.and_then(|outcomes| {
                        models.after(&calls.iter().copied().zip(outcomes).collect::<Vec<_>>())
                    });
                    let Some(after) = after else {
                        let steps = steps.iter().take(at + 1).cloned().collect();
                        return Err(Failure { steps, log, allowed: allowed(&models, calls) });
                    };
                    models = after;
                }
            }
        }
        Ok(())
    }

    /// Simplifies the list of steps for as long as the store still breaks the rules.
    async fn shorten(
        &self,
        fixture: &mut impl StoreFixture,
        names: &Names,
        mut failure: Failure,
    ) -> Failure {
        let mut candidates = Step::simpler(&failure.steps).into_iter();
        for _ in 0..MAX_RUNS_TO_SHORTEN {
            let Some(steps) = candidates.next() else { break };
            if let Err(simpler) = self.follow(fixture, names, &steps).await {
                candidates = Step::simpler(&simpler.steps).into_iter();
                failure = simpler;
            }
        }
        failure
    }

    /// Makes calls at the same time, each in a task of its own.
    async fn call_at_once<S: ClaimStore>(
        &self,
        store: &Arc<S>,
        names: &Names,
        calls: &[Call],
    ) -> Vec<Result<Outcome, String>> {
        let (lease, retention) = (self.time(LEASE), self.time(RETENTION));
        let start = |call: &Call| {
            let (store, names, call) = (Arc::clone(store), *names, *call);
            tokio::spawn(async move { names.call(&*store, call, lease, retention).await })
        };
        let started: Vec<_> = calls.iter().map(start).collect();
        let mut outcomes = Vec::new();
        for task in started {
            outcomes.push(match task.await {
                Ok(outcome) => outcome.map_err(|error| with_sources(&*error)),
                Err(panic) => Err(panic.to_string()),
            });
        }
        outcomes
    }

    /// Checks the longest times that a store is called with.
    async fn check_longest_times(&self, fixture: &mut impl StoreFixture) -> Result<(), BoxError> {
        let store = fixture.empty_store().await;
        let (key, owner) = (ClaimKey::from_bytes([0; 32]), Owner::from_bytes([0; 16]));
        let day = Duration::from_secs(24 * 3_600);
        let claimed = store.claim(key, owner, day).await?;
        let completed = store.complete(key, owner, CENTURY).await?;
        fixture.advance(self.time(LONGEST_PAUSE)).await;
        let copy = store.claim(key, owner, day).await?;
        match (claimed, completed, copy) {
            (ClaimOutcome::Granted, LeaseState::Held, ClaimOutcome::AlreadyHandled) => Ok(()),
            _ => Err(format!(
                "claim, complete and claim returned {claimed:?}, {completed:?} and {copy:?}"
            )
            .into()),
        }
    }

    fn time(&self, units: u32) -> Duration {
        self.lease * units / LEASE
    }
}

impl Default for StoreTest {
    fn default() -> Self {
        Self::new()
    }
}

/// The keys and owners of a run. They differ in their last byte only.
#[derive(Clone, Copy)]
struct Names {
    keys: [ClaimKey; KEYS],
    owners: [Owner; OWNERS],
}

impl Names {
    fn random(random: &mut Random) -> Self {
        Self {
            keys: alike(random.bytes()).map(ClaimKey::from_bytes),
            owners: alike(random.bytes()).map(Owner::from_bytes),
        }
    }

    #[expect(clippy::indexing_slicing, reason = "a call has the numbers of these arrays")]
    async fn call(
        &self,
        store: &impl ClaimStore,
        call: Call,
        lease: Duration,
        retention: Duration,
    ) -> Result<Outcome, BoxError> {
        let Self { keys, owners } = self;
        match call {
            Call::Claim { key, owner } => {
                store.claim(keys[key], owners[owner], lease).await.map(Outcome::Claim)
            }
            Call::Renew { key, owner } => {
                store.renew(keys[key], owners[owner], lease).await.map(Outcome::Lease)
            }
            Call::Complete { key, owner } => {
                store.complete(keys[key], owners[owner], retention).await.map(Outcome::Lease)
            }
            Call::Release { key, owner } => {
                store.release(keys[key], owners[owner]).await.map(|()| Outcome::Released)
            }
            Call::Forget { key } => store.forget(keys[key]).await.map(Outcome::Forgot),
        }
    }
}

/// Returns values that differ in their last byte only.
fn alike<const LENGTH: usize, const COUNT: usize>(first: [u8; LENGTH]) -> [[u8; LENGTH]; COUNT] {
    let mut next = first;
    std::array::from_fn(|_| {
        let last = next.last_mut().expect("keys and owners have bytes");
        *last = last.wrapping_add(1);
        next
    })
}

/// A list of steps whose last one breaks the rules.
struct Failure {
    steps: Vec<Step>,
    log: Vec<String>,
    allowed: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, line) in (1..).zip(&self.log) {
            writeln!(f, "{number:3}. {line}")?;
        }
        f.write_str(&self.allowed)
    }
}

/// Says which outcomes the last calls may have.
fn allowed(models: &Models, calls: &[Call]) -> String {
    match calls {
        [call] => {
            let outcomes = models.outcomes(*call);
            let outcomes: Vec<_> = outcomes.iter().map(ToString::to_string).collect();
            format!("the rules allow: {}", outcomes.join(" or "))
        }
        _ => "made one after the other, in any order, these calls have other outcomes".into(),
    }
}

fn show(calls: &[Call], outcomes: &[Result<Outcome, String>]) -> String {
    let show = |(call, outcome): (&Call, &Result<Outcome, String>)| match outcome {
        Ok(outcome) => format!("{call}: {outcome}"),
        Err(error) => format!("{call}: error: {error}"),
    };
    let shown: Vec<_> = calls.iter().zip(outcomes).map(show).collect();
    let at_once = if calls.len() > 1 { "at once: " } else { "" };
    format!("{at_once}{}", shown.join(", "))
}

fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
