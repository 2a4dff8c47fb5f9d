use std::collections::{BTreeMap, BTreeSet};

use crate::{
    store::{ClaimOutcome, LeaseState},
    testing::step::{Call, Outcome},
};

/// A lease in units of time. The other times are multiples of the same unit.
pub(super) const LEASE: u32 = 12;
/// A retention in units of time.
pub(super) const RETENTION: u32 = 24;
/// How many units pass at once: part of a lease, more than a lease, more than a retention.
///
/// Each sum of them is well before the end of a lease or of a retention, or after it. Therefore the
/// calls themselves may take some time too.
pub(super) const PAUSES: [u32; 3] = [7, 14, LONGEST_PAUSE];
pub(super) const LONGEST_PAUSE: u32 = 28;

/// The table in the documentation of [`ClaimStore`](crate::ClaimStore). A key without an entry is
/// absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Model(BTreeMap<usize, Entry>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    state: State,
    owner: usize,
    units_left: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Claimed,
    Handled,
}

impl Model {
    /// Lets time pass.
    pub(super) fn advance(&mut self, units: u32) {
        self.0.retain(|_, entry| {
            entry.units_left = entry.units_left.saturating_sub(units);
            entry.units_left > 0
        });
    }

    /// Makes a call, and returns its outcome.
    fn call(&mut self, call: Call) -> Outcome {
        match call {
            Call::Claim { key, owner } => Outcome::Claim(self.claim(key, owner)),
            Call::Renew { key, owner } => Outcome::Lease(self.renew(key, owner)),
            Call::Complete { key, owner } => Outcome::Lease(self.complete(key, owner)),
            Call::Release { key, owner } => {
                self.remove_if(key, |entry| entry.state == State::Claimed && entry.owner == owner);
                Outcome::Released
            }
            Call::Forget { key } => {
                Outcome::Forgot(self.remove_if(key, |entry| entry.state == State::Handled))
            }
        }
    }

    fn claim(&mut self, key: usize, owner: usize) -> ClaimOutcome {
        match self.0.get(&key) {
            Some(entry) if entry.state == State::Handled => ClaimOutcome::AlreadyHandled,
            Some(entry) if entry.owner != owner => ClaimOutcome::InFlight,
            _ => {
                self.0.insert(key, Entry { state: State::Claimed, owner, units_left: LEASE });
                ClaimOutcome::Granted
            }
        }
    }

    fn renew(&mut self, key: usize, owner: usize) -> LeaseState {
        match self.0.get_mut(&key) {
            Some(entry) if entry.owner == owner => {
                if entry.state == State::Claimed {
                    entry.units_left = LEASE;
                }
                LeaseState::Held
            }
            _ => LeaseState::Lost,
        }
    }

    fn complete(&mut self, key: usize, owner: usize) -> LeaseState {
        let entry = Entry { state: State::Handled, owner, units_left: RETENTION };
        match self.0.insert(key, entry) {
            Some(old) if old.owner != owner => LeaseState::Lost,
            _ => LeaseState::Held,
        }
    }

    fn remove_if(&mut self, key: usize, condition: impl FnOnce(&Entry) -> bool) -> bool {
        let matches = self.0.get(&key).is_some_and(condition);
        if matches {
            self.0.remove(&key);
        }
        matches
    }
}

/// The states that a store may be in, if nobody knows in which order it carried out some calls.
#[derive(Debug, Clone)]
pub(super) struct Models(BTreeSet<Model>);

impl Models {
    /// The state of an empty store.
    pub(super) fn empty() -> Self {
        Self(BTreeSet::from([Model::default()]))
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, units: u32) {
        let advanced = std::mem::take(&mut self.0).into_iter().map(|mut model| {
            model.advance(units);
            model
        });
        self.0 = advanced.collect();
    }

    /// Returns the states after these calls, in any order that gives these outcomes. `None`: there
    /// is no such order.
    pub(super) fn after(&self, calls: &[(Call, Outcome)]) -> Option<Self> {
        let mut states = BTreeSet::new();
        for model in &self.0 {
            collect_states(model, calls, &mut states);
        }
        (!states.is_empty()).then_some(Self(states))
    }

    /// Returns the outcomes that a single call may have.
    pub(super) fn outcomes(&self, call: Call) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for model in &self.0 {
            let outcome = model.clone().call(call);
            if !outcomes.contains(&outcome) {
                outcomes.push(outcome);
            }
        }
        outcomes
    }
}

fn collect_states(model: &Model, calls: &[(Call, Outcome)], states: &mut BTreeSet<Model>) {
    if calls.is_empty() {
        states.insert(model.clone());
    }
    for (at, (call, outcome)) in calls.iter().enumerate() {
        let mut next = model.clone();
        if next.call(*call) == *outcome {
            let mut rest = calls.to_vec();
            rest.remove(at);
            collect_states(&next, &rest, states);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sum_of_pauses_leaves_a_quarter_of_a_lease_for_the_calls() {
        let mut sums = BTreeSet::from([0]);
        for _ in 0..RETENTION {
            let longer = sums.iter().flat_map(|sum| PAUSES.map(|pause| sum + pause));
            sums = sums.iter().copied().chain(longer).filter(|sum| *sum < 100).collect();
        }
        for end in [LEASE, RETENTION] {
            assert!(sums.iter().all(|sum| *sum >= end || *sum + LEASE / 4 <= end), "{sums:?}");
        }
    }

    #[test]
    fn of_two_claims_at_once_one_is_granted_in_any_order() {
        let claim = |owner| Call::Claim { key: 0, owner };
        let (granted, in_flight) =
            (Outcome::Claim(ClaimOutcome::Granted), Outcome::Claim(ClaimOutcome::InFlight));
        let models = Models::empty();

        let after = |first, second| models.after(&[(claim(0), first), (claim(1), second)]);

        assert!(after(granted, in_flight).is_some());
        assert!(after(in_flight, granted).is_some());
        assert!(after(granted, granted).is_none());
        assert!(after(in_flight, in_flight).is_none());
    }

    #[test]
    fn an_unknown_order_leaves_each_of_its_states_possible() {
        let release = (Call::Release { key: 0, owner: 0 }, Outcome::Released);
        let claim = (Call::Claim { key: 0, owner: 0 }, Outcome::Claim(ClaimOutcome::Granted));

        let models = Models::empty().after(&[release, claim]).unwrap();

        let outcomes = models.outcomes(Call::Renew { key: 0, owner: 0 });
        assert!(outcomes.contains(&Outcome::Lease(LeaseState::Held)));
        assert!(outcomes.contains(&Outcome::Lease(LeaseState::Lost)));
        assert_eq!(outcomes.len(), 2);
    }
}
