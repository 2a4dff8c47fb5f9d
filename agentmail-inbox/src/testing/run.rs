use std::time::Duration;

use crate::{
    filter::Filter,
    lease::{Lease, LeaseState},
    outcome::Finish,
    row::Row,
    state::{Counts, State},
    store::{BoxError, InboxStore, Page, Pruning, Stored},
    take::{Take, TakeToken, Taken},
    testing::{
        clock::ManualClock,
        fixture::StoreFixture,
        memory_store::MemoryStore,
        step::{LEASE, MESSAGES, SET_BACK, Step, key, message},
    },
};

/// A run of steps on the store that is tested and on the [`MemoryStore`], which has the rules.
pub(super) struct Run<S> {
    store: S,
    model: MemoryStore,
    clock: ManualClock,
    /// The same lease in the store and in the model.
    leases: Vec<(Lease, Lease)>,
    token: TakeToken,
    tokens: u8,
    /// The clock was set back, and the times in the store stayed. Messages are then kept for longer
    /// than in the model.
    keeps_longer: bool,
}

/// What is compared of a message.
type Seen = (
    [u8; 32],
    (String, Option<String>, Option<String>),
    (State, u32),
    Option<String>,
    (u32, bool, Option<String>),
);

impl<S: InboxStore> Run<S> {
    pub(super) fn new(store: S) -> Self {
        let clock = ManualClock::new();
        let model = MemoryStore::with_clock(&clock);
        let token = TakeToken::from_bytes([0; 16]);
        Self { store, model, clock, leases: Vec::new(), token, tokens: 0, keeps_longer: false }
    }

    pub(super) fn into_store(self) -> S {
        self.store
    }

    /// Makes a step, and compares results and states. Time passes meanwhile: no two calls happen at
    /// the same time.
    pub(super) async fn step<F>(mut self, fixture: &mut F, step: &Step) -> Result<Self, String>
    where
        F: StoreFixture<Store = S>,
    {
        self.clock.advance(TICK);
        fixture.advance(&self.store, TICK).await;
        match step {
            Step::Advance(time) => {
                self.clock.advance(*time);
                fixture.advance(&self.store, *time).await;
            }
            Step::SetClockBack => {
                if fixture.set_clock_back(&self.store, SET_BACK).await {
                    self.clock.set_back(SET_BACK);
                } else {
                    self.keeps_longer = true;
                }
            }
            Step::Reopen => {
                let (store, leases_ended) = fixture.reopen(self.store).await;
                self.store = store;
                if leases_ended {
                    self.model.end_leases();
                }
            }
            Step::Prune { .. } if self.keeps_longer => {}
            call => self.call(call).await.map_err(|error| format!("{step:?}: {error}"))?,
        }
        let compared = self.compare().await;
        compared.map_err(|error| format!("after {step:?}: {error}"))?;
        Ok(self)
    }

    async fn call(&mut self, step: &Step) -> Result<(), String> {
        let (store, model) = (&self.store, &self.model);
        match step {
            Step::Store(numbers) => {
                let messages: Vec<_> = numbers.iter().map(|number| message(*number)).collect();
                let found = stored(store.store(messages.clone()).await)?;
                same("stored", &found, &stored(model.store(messages).await)?)
            }
            Step::Take { limit, interrupted, ordered } => {
                self.tokens = self.tokens.wrapping_add(1);
                self.token = TakeToken::from_bytes([self.tokens; 16]);
                let take =
                    Take::new(self.token, *limit, LEASE).with_interrupted_limit(*interrupted);
                self.take(if *ordered { take.in_order_per_agent() } else { take }).await
            }
            Step::TakeAgain => self.take(Take::new(self.token, 2, LEASE).repeated()).await,
            Step::Renew(picks) => {
                let (leases, of_model) = self.picked(picks);
                let found = ok(store.renew(leases, LEASE).await)?;
                same("renewed", &found, &ok(model.renew(of_model, LEASE).await)?)
            }
            Step::Finish(finished) => {
                let picks: Vec<_> = finished.iter().map(|(pick, _)| *pick).collect();
                let (leases, of_model) = self.picked(&picks);
                let with = |leases: Vec<Lease>| {
                    let outcomes = finished.iter().map(|(_, outcome)| outcome.clone());
                    let pairs = leases.into_iter().zip(outcomes);
                    pairs.map(|(lease, outcome)| Finish::new(lease, outcome)).collect()
                };
                let found: Vec<LeaseState> = ok(store.finish(with(leases)).await)?;
                same("finished", &found, &ok(model.finish(with(of_model)).await)?)
            }
            Step::Redrive(filter) => {
                let found = ok(store.redrive(filter.clone(), "ann".to_owned()).await)?;
                let expected = ok(model.redrive(filter.clone(), "ann".to_owned()).await)?;
                same("redriven", &found, &expected)
            }
            Step::GiveUp(filter) => {
                let found = ok(store.give_up(filter.clone(), "enough".to_owned()).await)?;
                let expected = ok(model.give_up(filter.clone(), "enough".to_owned()).await)?;
                same("given up", &found, &expected)
            }
            Step::Prune { dead } => {
                let pruning = Pruning::new(Duration::from_secs(61 * 24 * 3_600));
                let with_dead = pruning.with_dead_after(Duration::from_secs(30 * 60));
                let pruning = if *dead { with_dead } else { pruning };
                let found = ok(store.prune(pruning).await)?;
                same("pruned", &found, &ok(model.prune(pruning).await)?)
            }
            Step::Advance(_) | Step::SetClockBack | Step::Reopen => Ok(()),
        }
    }

    async fn take(&mut self, take: Take) -> Result<(), String> {
        let (mut found, mut expected) =
            (ok(self.store.take(take).await)?, ok(self.model.take(take).await)?);
        // The rules say which messages are taken, not in which order they are returned.
        found.sort_by_key(Taken::key);
        expected.sort_by_key(Taken::key);
        let pairs = found.iter().zip(&expected);
        self.leases.extend(pairs.map(|(found, of_model)| (found.lease(), of_model.lease())));
        let seen = |taken: &[Taken]| -> Vec<_> {
            let seen = taken.iter().map(|taken| {
                let number = (0..MESSAGES).find(|number| key(*number) == taken.key());
                let is_whole = number.is_some_and(|number| message(number).body() == taken.body());
                let trace_parent = taken.trace_parent().map(ToOwned::to_owned);
                let take = (taken.attempt(), taken.lease().take(), taken.is_interrupted());
                (number, take, is_whole, trace_parent)
            });
            seen.collect()
        };
        same("taken", &seen(&found), &seen(&expected))
    }

    /// Returns leases of the store, and the same ones of the model.
    fn picked(&self, picks: &[usize]) -> (Vec<Lease>, Vec<Lease>) {
        let lease = |pick: &usize| self.leases.get(pick.checked_rem(self.leases.len())?);
        picks.iter().filter_map(lease).copied().unzip()
    }

    async fn compare(&self) -> Result<(), String> {
        let (store, model) = (&self.store, &self.model);
        let rows = ok(store.list(Filter::new(), Page::first(MESSAGES * 2)).await)?;
        let of_model = ok(model.list(Filter::new(), Page::first(MESSAGES * 2)).await)?;
        same("rows", &seen(&rows), &seen(&of_model))?;
        let counts = ok(store.counts().await)?;
        same("counts", &counts, &ok(model.counts().await)?)?;
        same("counts of the list", &counts, &count(&rows))?;
        let keys: Vec<_> = (0..MESSAGES).map(key).collect();
        let states = ok(store.states(keys.clone()).await)?;
        same("states", &states, &ok(model.states(keys).await)?)?;
        let (oldest, of_model) = (ok(store.oldest_due().await)?, ok(model.oldest_due().await)?);
        if oldest.is_some() != of_model.is_some()
            || oldest.unwrap_or_default().abs_diff(of_model.unwrap_or_default()) > DRIFT
        {
            return Err(differ("oldest due", &oldest, &of_model));
        }
        // The last page, and one body.
        let Some((last, earlier)) = rows.split_last() else { return Ok(()) };
        let start = earlier.last().map(|row| row.id);
        let page = start.map_or(Page::first(5), |start| Page::first(5).after(start));
        let page = ok(store.list(Filter::new(), page).await)?;
        same("last page", &page, &vec![last.clone()])?;
        let shown = ok(store.show(last.id).await)?;
        let number = (0..MESSAGES).find(|number| Some(key(*number)) == last.key).unwrap_or(0);
        let shown = shown.map(|shown| (shown.row, shown.body));
        let expected = Some((last.clone(), message(number).body().clone()));
        same("shown", &shown, &expected)
    }
}

/// The time between two steps. It is below a second.
const TICK: Duration = Duration::from_millis(1);
/// How long the calls of a run may take, so that the order of events is that of the model: less
/// than the difference of any two times of the steps.
const DRIFT: Duration = Duration::from_secs(50);

fn seen(rows: &[Row]) -> Vec<Seen> {
    let seen = rows.iter().map(|row| {
        (
            row.key.map_or([0; 32], Into::into),
            (row.kind.clone(), row.agent_id.clone(), row.message_id.clone()),
            (row.state, row.attempts),
            row.reason.clone(),
            (row.redrives, row.redriven_at.is_some(), row.redriven_by.clone()),
        )
    });
    seen.collect()
}

fn count(rows: &[Row]) -> Counts {
    rows.iter().fold(Counts::default(), |counts, row| {
        counts.with(row.state, counts.of(row.state).saturating_add(1))
    })
}

fn stored(result: Result<Vec<Result<Stored, BoxError>>, BoxError>) -> Result<Vec<Stored>, String> {
    ok(result)?.into_iter().map(ok).collect()
}

fn ok<T>(result: Result<T, BoxError>) -> Result<T, String> {
    result.map_err(|error| crate::retry::with_sources(&*error))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, allowed: &T) -> Result<(), String> {
    if found == allowed { Ok(()) } else { Err(differ(what, found, allowed)) }
}

fn differ(what: &str, found: &impl std::fmt::Debug, allowed: &impl std::fmt::Debug) -> String {
    format!("{what}: {found:?}\nthe rules allow: {allowed:?}")
}
