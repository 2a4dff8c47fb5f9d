use std::time::Duration;

use uuid::Uuid;

use crate::limits::LONGEST_PAUSE;

/// How long to wait before the next attempt.
///
/// The pause doubles with each attempt, up to a limit. Each pause is shortened by a random part of
/// at most a quarter, so that messages that failed together are not tried again together.
///
/// # Defaults
///
/// The first pause is 1 second, and no pause is longer than 1 hour. The 12 attempts of a worker are
/// then made within 26 to 34 minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Backoff {
    first: Duration,
    longest: Duration,
}

impl Backoff {
    /// Sets the first pause, and the longest one: at most [`LONGEST_PAUSE`](crate::LONGEST_PAUSE).
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest: longest.min(LONGEST_PAUSE) }
    }

    /// Returns the pause after this attempt, counted from 1, before it is shortened.
    #[must_use]
    pub fn after(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1);
        self.first.saturating_mul(2_u32.saturating_pow(doublings)).min(self.longest)
    }

    /// Returns the pause after this attempt, shortened by a random part.
    pub(crate) fn shortened(&self, attempt: u32) -> Duration {
        shortened(self.after(attempt))
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(3_600))
    }
}

/// Shortens a pause by a random part of at most a quarter.
pub(crate) fn shortened(pause: Duration) -> Duration {
    let [byte, ..] = Uuid::new_v4().into_bytes();
    pause.saturating_sub(pause / 4 * u32::from(byte) / 255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        for (attempt, seconds) in
            [(0, 1), (1, 1), (2, 2), (3, 4), (12, 2_048), (13, 3_600), (u32::MAX, 3_600)]
        {
            assert_eq!(Backoff::default().after(attempt), Duration::from_secs(seconds));
        }
        let endless = Backoff::new(Duration::MAX, Duration::MAX);
        assert_eq!(endless.after(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_random_part_shortens_the_pause_by_a_quarter_at_most() {
        let pauses: Vec<_> = (0..1_000).map(|_| Backoff::default().shortened(13)).collect();

        let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
        assert!(Duration::from_secs(2_700) <= *least && *most <= Duration::from_secs(3_600));
        assert!(most.saturating_sub(*least) > Duration::from_secs(600), "{least:?} to {most:?}");
    }

    #[test]
    fn twelve_attempts_take_twenty_six_to_thirty_four_minutes() {
        let all: Duration = (1..12).map(|attempt| Backoff::default().after(attempt)).sum();
        assert_eq!(all.as_secs() / 60, 34);
        assert_eq!((all * 3 / 4).as_secs() / 60, 25);
    }
}
