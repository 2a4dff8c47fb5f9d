use crate::testing::{checks, fixture::StoreFixture, random::Random, run::Run, step::Step};

/// A test for any [`InboxStore`](crate::InboxStore). See the [module](super).
///
/// # Defaults
///
/// 30 runs of 60 random steps.
#[derive(Debug, Clone, Copy)]
#[must_use = "call `run`"]
pub struct StoreTest {
    runs: usize,
    steps: usize,
    seed: u64,
}

impl StoreTest {
    /// Creates the test.
    pub const fn new() -> Self {
        Self { runs: 30, steps: 60, seed: 0 }
    }

    /// Sets how many runs of random steps are made.
    pub const fn with_runs(self, runs: usize) -> Self {
        Self { runs, ..self }
    }

    /// Sets where the random numbers begin. Each seed gives other steps.
    pub const fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Runs the test.
    ///
    /// # Panics
    ///
    /// The store breaks a rule.
    pub async fn run<F: StoreFixture>(self, fixture: &mut F) {
        checks::run(fixture).await;
        for run in 0..self.runs {
            let mut random = Random::of_run(self.seed, run);
            let steps: Vec<_> = (0..self.steps).map(|_| Step::random(&mut random)).collect();
            if let Err((at, _)) = take_steps(fixture, &steps).await {
                let (steps, failure) = shortened(fixture, steps, at).await;
                let list: String =
                    (1..).zip(&steps).map(|(n, step)| format!("\n  {n}: {step:?}")).collect();
                panic!(
                    "the store breaks the rules of `InboxStore` (seed {}, run {run}):{list}\n\
                     {failure}",
                    self.seed
                );
            }
        }
    }
}

impl Default for StoreTest {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes the steps on an empty store.
///
/// # Errors
///
/// The number of the step after which the store differs from the model, and how.
async fn take_steps<F: StoreFixture>(
    fixture: &mut F,
    steps: &[Step],
) -> Result<(), (usize, String)> {
    let mut run = Run::new(fixture.empty_store().await);
    for (at, step) in steps.iter().enumerate() {
        run = run.step(fixture, step).await.map_err(|failure| (at, failure))?;
    }
    drop(run.into_store());
    Ok(())
}

/// Leaves out steps that a failure does not need.
async fn shortened<F: StoreFixture>(
    fixture: &mut F,
    mut steps: Vec<Step>,
    failed_at: usize,
) -> (Vec<Step>, String) {
    steps.truncate(failed_at.saturating_add(1));
    let mut failure = String::from("it did not fail again: the calls depend on the time");
    let mut at = 0;
    while at < steps.len() {
        let mut fewer = steps.clone();
        fewer.remove(at);
        match take_steps(fixture, &fewer).await {
            Err((failed_at, text)) => {
                fewer.truncate(failed_at.saturating_add(1));
                (steps, failure) = (fewer, text);
            }
            Ok(()) => at = at.saturating_add(1),
        }
    }
    if let Err((_, text)) = take_steps(fixture, &steps).await {
        failure = text;
    }
    (steps, failure)
}
