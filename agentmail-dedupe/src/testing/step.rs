use std::fmt;

use crate::{
    store::{ClaimOutcome, LeaseState},
    testing::{model::PAUSES, random::Random},
};

/// A call of a store, by the number of its key and of its owner.
#[derive(Clone, Copy)]
pub(super) enum Call {
    Claim { key: usize, owner: usize },
    Renew { key: usize, owner: usize },
    Complete { key: usize, owner: usize },
    Release { key: usize, owner: usize },
    Forget { key: usize },
}

/// What a call returned.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Claim(ClaimOutcome),
    Lease(LeaseState),
    Released,
    Forgot(bool),
}

/// A step of a run.
#[derive(Clone)]
pub(super) enum Step {
    /// Calls that are made at the same time.
    Calls(Vec<Call>),
    /// Time in [units](super::model::LEASE).
    TimePasses { units: u32 },
}

pub(super) const KEYS: usize = 2;
pub(super) const OWNERS: usize = 3;

/// Returns the steps of a run: [three calls](combination) with pauses between them, then up to 30
/// random steps.
pub(super) fn steps_of(run: usize, random: &mut Random) -> Vec<Step> {
    let length = random.below(31);
    let random_steps = (0..length).map(|_| Step::random(random));
    combination(run).into_iter().chain(random_steps).collect()
}

/// How many combinations there are.
const COMBINATIONS: usize = 2 * 3 * 9 * 4;

/// Returns a call that makes a key claimed or handled, a pause, any call on it, a pause, and a
/// claim by a third owner.
///
/// Random calls rarely show that a call sets a wrong end: that needs these steps in this order.
#[expect(clippy::indexing_slicing, reason = "a pick is below the length it is given")]
fn combination(run: usize) -> Vec<Step> {
    let (key, [owner, other, third]) = (0, [0, 1, 2]);
    let [short, longer, longest] = PAUSES;
    let first = [Call::Claim { key, owner }, Call::Complete { key, owner }];
    let second = [
        Call::Claim { key, owner },
        Call::Claim { key, owner: other },
        Call::Renew { key, owner },
        Call::Renew { key, owner: other },
        Call::Complete { key, owner },
        Call::Complete { key, owner: other },
        Call::Release { key, owner },
        Call::Release { key, owner: other },
        Call::Forget { key },
    ];
    // A stride that visits each combination, in an order in which neighbours differ.
    let mut number = run % COMBINATIONS * 125 % COMBINATIONS;
    let mut pick = |count: usize| {
        let picked = number % count;
        number /= count;
        picked
    };
    vec![
        Step::Calls(vec![first[pick(first.len())]]),
        Step::TimePasses { units: [0, short, longer][pick(3)] },
        Step::Calls(vec![second[pick(second.len())]]),
        Step::TimePasses { units: [0, short, longer, longest][pick(4)] },
        Step::Calls(vec![Call::Claim { key, owner: third }]),
    ]
}

impl Step {
    /// Returns lists that are simpler than this one by a step or a call, or by calls that are made
    /// one after the other instead of at once.
    pub(super) fn simpler(steps: &[Self]) -> Vec<Vec<Self>> {
        let with = |at: usize, replacement: Vec<Self>| {
            let mut simpler = steps.to_vec();
            simpler.splice(at..=at, replacement);
            simpler
        };
        let mut lists = Vec::new();
        for (at, step) in steps.iter().enumerate().rev() {
            lists.push(with(at, Vec::new()));
            if let Self::Calls(calls) = step
                && calls.len() > 1
            {
                for left_out in 0..calls.len() {
                    let mut fewer = calls.clone();
                    fewer.remove(left_out);
                    lists.push(with(at, vec![Self::Calls(fewer)]));
                }
                let one_by_one = calls.iter().map(|call| Self::Calls(vec![*call]));
                lists.push(with(at, one_by_one.collect()));
            }
        }
        lists
    }

    fn random(random: &mut Random) -> Self {
        if random.below(5) == 0 {
            return Self::TimePasses { units: random.one_of(&PAUSES) };
        }
        let at_once = random.one_of(&[1, 1, 2, 3]);
        Self::Calls((0..at_once).map(|_| Call::random(random)).collect())
    }
}

impl Call {
    fn random(random: &mut Random) -> Self {
        let (key, owner) = (random.below(KEYS), random.below(OWNERS));
        match random.below(11) {
            0..=3 => Self::Claim { key, owner },
            4 | 5 => Self::Renew { key, owner },
            6 | 7 => Self::Complete { key, owner },
            8 | 9 => Self::Release { key, owner },
            _ => Self::Forget { key },
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim { key, owner } => write!(f, "claim(key {key}, owner {owner})"),
            Self::Renew { key, owner } => write!(f, "renew(key {key}, owner {owner})"),
            Self::Complete { key, owner } => write!(f, "complete(key {key}, owner {owner})"),
            Self::Release { key, owner } => write!(f, "release(key {key}, owner {owner})"),
            Self::Forget { key } => write!(f, "forget(key {key})"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(outcome) => write!(f, "{outcome:?}"),
            Self::Lease(state) => write!(f, "{state:?}"),
            Self::Released => f.write_str("()"),
            Self::Forgot(handled) => write!(f, "{handled}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_first_runs_begin_with_each_combination() {
        let show = |step: &Step| match step {
            Step::Calls(calls) => calls.iter().map(ToString::to_string).collect(),
            Step::TimePasses { units } => units.to_string(),
        };
        let runs = (0..COMBINATIONS).map(|run| combination(run).iter().map(show).collect());
        let distinct: HashSet<Vec<String>> = runs.collect();

        assert_eq!(distinct.len(), COMBINATIONS);
    }
}
