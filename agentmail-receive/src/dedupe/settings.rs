use std::{error::Error, fmt, time::Duration};

/// What a [`Store`](super::Store) is configured with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    lease: Duration,
    pub(super) retention: Duration,
    pub(super) deadline: Duration,
    pub(super) handle_unclaimed: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            retention: Duration::from_secs(3 * 24 * 3_600),
            deadline: Duration::from_secs(2),
            handle_unclaimed: false,
        }
    }
}

impl Settings {
    pub(super) fn with_lease(self, lease: Duration) -> Result<Self, LeaseError> {
        let fits = (LeaseError::SHORTEST..=LeaseError::LONGEST).contains(&lease);
        fits.then_some(Self { lease, ..self }).ok_or(LeaseError)
    }

    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    pub(super) fn deadline(&self) -> Duration {
        self.deadline.min(self.lease / 6)
    }

    pub(super) fn handles_unclaimed(&self) -> bool {
        self.handle_unclaimed
    }

    /// How long to remember a message whose delivery stays fresh for so long.
    pub(super) fn retention(&self, fresh_for: Duration) -> Duration {
        // A minute more, for the clocks of two machines.
        self.retention.max(fresh_for.saturating_add(Duration::from_secs(60)))
    }
}

/// A lease is shorter than a second, so that it would end before it is renewed, or longer than a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseError;

impl LeaseError {
    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(24 * 3_600);
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the lease of a claim must be between a second and a day")
    }
}

impl Error for LeaseError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_never_takes_longer_than_a_sixth_of_the_lease() {
        for (lease, deadline, effective) in [(60, 2, 2_000), (60, 30, 10_000), (3, 2, 500)] {
            let settings =
                Settings { deadline: Duration::from_secs(deadline), ..Settings::default() };
            let settings = settings.with_lease(Duration::from_secs(lease)).unwrap();

            assert_eq!(settings.deadline(), Duration::from_millis(effective));
        }
    }
}
