use std::time::Duration;

use crate::{lease::Lease, limits::LONGEST_PAUSE, text};

/// How an attempt has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The work is done. The message becomes [`Done`](crate::State::Done).
    Done,
    /// The work has failed. The message becomes [`Waiting`](crate::State::Waiting), and is due
    /// after the pause.
    Retry {
        /// At most [`LONGEST_PAUSE`](crate::LONGEST_PAUSE).
        pause: Duration,
        /// The error, for an operator: at most 1,000 bytes, without control characters.
        reason: String,
    },
    /// The message becomes [`Dead`](crate::State::Dead).
    Dead {
        /// The error, for an operator: at most 1,000 bytes, without control characters.
        reason: String,
    },
    /// The attempt did not begin, for example because the process shuts down. The message becomes
    /// [`Waiting`](crate::State::Waiting), and is due at once. The attempt is not counted.
    Returned,
}

impl Outcome {
    /// Creates [`Retry`](Self::Retry). Shortens the pause and the reason if they are too long.
    #[must_use]
    pub fn retry(pause: Duration, reason: &str) -> Self {
        Self::Retry { pause: pause.min(LONGEST_PAUSE), reason: text::reason(reason) }
    }

    /// Creates [`Dead`](Self::Dead). Shortens the reason if it is too long.
    #[must_use]
    pub fn dead(reason: &str) -> Self {
        Self::Dead { reason: text::reason(reason) }
    }
}

/// The end of an attempt: for [`InboxStore::finish`](crate::InboxStore::finish).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    lease: Lease,
    outcome: Outcome,
}

impl Finish {
    /// Creates the end of the attempt that has this lease.
    #[must_use]
    pub const fn new(lease: Lease, outcome: Outcome) -> Self {
        Self { lease, outcome }
    }

    /// Returns the lease.
    #[must_use]
    pub const fn lease(&self) -> Lease {
        self.lease
    }

    /// Returns the outcome.
    #[must_use]
    pub const fn outcome(&self) -> &Outcome {
        &self.outcome
    }
}
