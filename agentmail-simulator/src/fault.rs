use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the simulator does wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The delivery is signed with a secret that the agent has never had.
    Forged,
    /// The delivery is signed an hour in the past.
    Stale,
    /// The delivery is signed an hour in the future.
    Future,
    /// The delivery has no signature. It has `X-AgentMail-Unsigned: 1`.
    Unsigned,
    /// After the delivery, an earlier request to the same endpoint is sent again, byte for byte.
    Replayed,
    /// The delivery is sent twice, byte for byte.
    Duplicated,
    /// The delivery waits until a later one has been sent, at most 5 seconds.
    Reordered,
    /// The second half of the body is missing. The signature is that of the whole body.
    Truncated,
    /// Spaces make the body longer than 512 KiB. The signature is right.
    Oversized,
    /// Half of the body is sent, and the connection stays open.
    SlowBody,
    /// Half of the body is sent, and then the connection is closed.
    ConnectionCut,
    /// The payload names another agent. The signature is right.
    WrongAgentId,
    /// The delivery is signed with the secret before the last rotation. Without a rotation, it is
    /// signed with a secret that the agent has never had.
    OldSecret,
    /// The body is written again after it was signed, as JavaScript's `JSON.stringify` writes it.
    RecodedBody,
    /// `timestamp` is a number, and `rate_limited` is 0. The signature is right.
    FieldType,
}

impl Fault {
    /// Every fault. If several apply to an attempt, the first of this list is used.
    pub const ALL: [Self; 15] = [
        Self::Forged,
        Self::Stale,
        Self::Future,
        Self::Unsigned,
        Self::Replayed,
        Self::Duplicated,
        Self::Reordered,
        Self::Truncated,
        Self::Oversized,
        Self::SlowBody,
        Self::ConnectionCut,
        Self::WrongAgentId,
        Self::OldSecret,
        Self::RecodedBody,
        Self::FieldType,
    ];

    /// Returns the name in the API, for example `connection_cut`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::Unsigned => "unsigned",
            Self::Replayed => "replayed",
            Self::Duplicated => "duplicated",
            Self::Reordered => "reordered",
            Self::Truncated => "truncated",
            Self::Oversized => "oversized",
            Self::SlowBody => "slow_body",
            Self::ConnectionCut => "connection_cut",
            Self::WrongAgentId => "wrong_agent_id",
            Self::OldSecret => "old_secret",
            Self::RecodedBody => "recoded_body",
            Self::FieldType => "field_type",
        }
    }

    /// Returns what a receiver gets, in one sentence.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::Forged => "a signature with a secret that the agent has never had",
            Self::Stale => "a signature that is an hour old",
            Self::Future => "a signature that is an hour ahead",
            Self::Unsigned => "no signature, and the header X-AgentMail-Unsigned",
            Self::Replayed => "an earlier request after the delivery, byte for byte",
            Self::Duplicated => "the same request twice",
            Self::Reordered => "the delivery after a later one",
            Self::Truncated => "half of the body, with the signature of all of it",
            Self::Oversized => "a body of 512 KiB, signed",
            Self::SlowBody => "half of the body, and then nothing",
            Self::ConnectionCut => "half of the body, and then the end of the connection",
            Self::WrongAgentId => "a payload that names another agent, signed",
            Self::OldSecret => "a signature with the secret before the last rotation",
            Self::RecodedBody => "a body that was written again after it was signed",
            Self::FieldType => "a payload with two fields of another type, signed",
        }
    }

    /// Returns whether a receiver must refuse the delivery with 403. One that has a secret for each
    /// agent also refuses another agent's id.
    pub(crate) const fn deserves_403(self) -> bool {
        matches!(
            self,
            Self::Forged
                | Self::Stale
                | Self::Future
                | Self::Unsigned
                | Self::Truncated
                | Self::WrongAgentId
                | Self::OldSecret
                | Self::RecodedBody
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|fault| fault.name() == name).ok_or(UnknownFault)
    }
}

/// The text is not the name of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a fault")]
#[non_exhaustive]
pub struct UnknownFault;

/// Which attempts get a fault.
///
/// The choice depends only on the seed, the agent's id, the number of the mail (its first mail is
/// 1), the rule and the number of the attempt. A run with the same mails and the same seed has the
/// same faults.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[must_use]
pub struct FaultPlan {
    fault: Fault,
    probability: f64,
    seed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_attempts: Option<u32>,
}

impl FaultPlan {
    /// Plans the fault for every attempt.
    pub const fn new(fault: Fault) -> Self {
        Self { fault, probability: 1.0, seed: 0, first_attempts: None }
    }

    /// Sets the probability for each attempt, from 0 to 1. Another number is moved into this range.
    pub const fn with_probability(mut self, probability: f64) -> Self {
        self.probability = if probability.is_nan() { 0.0 } else { probability.clamp(0.0, 1.0) };
        self
    }

    /// Sets the seed of the choice. The default is 0.
    pub const fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Limits the fault to the first attempts of each delivery. With 1, no retry has the fault.
    pub const fn with_first_attempts(mut self, attempts: u32) -> Self {
        self.first_attempts = Some(attempts);
        self
    }

    /// Returns the fault.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.fault
    }

    /// Returns the probability for each attempt.
    #[must_use]
    pub const fn probability(&self) -> f64 {
        self.probability
    }

    /// Returns the seed of the choice.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the number of first attempts that the fault is limited to.
    #[must_use]
    pub const fn first_attempts(&self) -> Option<u32> {
        self.first_attempts
    }

    fn applies(&self, attempt: &AttemptKey<'_>) -> bool {
        self.first_attempts.is_none_or(|first| attempt.number <= first)
            && attempt.draw(self.fault.name(), self.seed) < self.probability
    }
}

/// What identifies an attempt in every run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AttemptKey<'a> {
    pub(crate) agent_id: &'a str,
    /// The first mail of the agent is 1.
    pub(crate) mail: u64,
    pub(crate) rule_id: Option<&'a str>,
    /// The first attempt of the delivery is 1.
    pub(crate) number: u32,
}

impl AttemptKey<'_> {
    /// Chooses the fault of this attempt.
    pub(crate) fn fault(&self, plans: &[FaultPlan]) -> Option<Fault> {
        plans.iter().filter(|plan| plan.applies(self)).map(FaultPlan::fault).min()
    }

    /// Returns a number from 0 to 1 that depends only on the attempt, the purpose and the seed.
    pub(crate) fn draw(&self, purpose: &str, seed: u64) -> f64 {
        let mut hash = Sha256::new();
        for text in [purpose, self.agent_id, self.rule_id.unwrap_or_default()] {
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(text);
        }
        hash.update(seed.to_be_bytes());
        hash.update(self.mail.to_be_bytes());
        hash.update(self.number.to_be_bytes());
        let [a, b, c, d, ..] = hash.finalize().0;
        f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(plan: FaultPlan, mails: u64) -> Vec<u64> {
        let key = |mail| AttemptKey { agent_id: "my-agent", mail, rule_id: None, number: 1 };
        (1..=mails).filter(|&mail| key(mail).fault(&[plan]).is_some()).collect()
    }

    #[test]
    fn every_fault_has_a_name_that_is_read_back() {
        for fault in Fault::ALL {
            assert_eq!(fault.name().parse(), Ok(fault));
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
        assert_eq!("nothing".parse::<Fault>(), Err(UnknownFault));
    }

    #[test]
    fn the_same_seed_chooses_the_same_attempts() {
        let plan = FaultPlan::new(Fault::Forged).with_probability(0.3).with_seed(7);

        let first = chosen(plan, 1_000);

        assert_eq!(chosen(plan, 1_000), first);
        assert_ne!(chosen(plan.with_seed(8), 1_000), first);
        assert!((250..350).contains(&first.len()), "{} of 1,000", first.len());
    }

    /// The choice is a promise: a run must be repeatable with a later version.
    #[test]
    fn the_choice_never_changes() {
        let plan = FaultPlan::new(Fault::Forged).with_probability(0.3).with_seed(7);

        assert_eq!(chosen(plan, 20), [2, 4, 10, 11, 12, 13, 15, 17, 18, 19]);
    }

    #[test]
    fn probabilities_at_the_ends_are_never_and_always() {
        let plan = FaultPlan::new(Fault::Stale);

        assert_eq!(chosen(plan.with_probability(0.0), 100).len(), 0);
        assert_eq!(chosen(plan.with_probability(f64::NAN), 100).len(), 0);
        assert_eq!(chosen(plan.with_probability(7.0), 100).len(), 100);
    }

    #[test]
    fn a_limit_on_attempts_spares_the_retries() {
        let plan = FaultPlan::new(Fault::Forged).with_first_attempts(1);

        for (number, expected) in [(1, Some(Fault::Forged)), (2, None)] {
            let key = AttemptKey { agent_id: "my-agent", mail: 1, rule_id: None, number };
            assert_eq!(key.fault(&[plan]), expected, "attempt {number}");
        }
    }
}
