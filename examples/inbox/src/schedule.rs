use std::{error::Error, num::NonZeroU32, time::Duration};

use crate::environment::number;

/// When a message is tried again, and how often.
///
/// # Defaults
///
/// There are 12 attempts of at most 60 seconds each. The first pause is 1 second, and each next one
/// is twice as long: 34 minutes in all. No pause is longer than an hour.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    attempts: u32,
    first_pause: Duration,
    time_limit: Duration,
}

impl Schedule {
    const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

    /// Reads `ATTEMPTS`, `FIRST_PAUSE` (milliseconds) and `TIME_LIMIT` (milliseconds).
    pub(crate) fn from_env() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            attempts: number("ATTEMPTS")?.map_or(12, NonZeroU32::get),
            first_pause: Duration::from_millis(number("FIRST_PAUSE")?.unwrap_or(1_000)),
            time_limit: Duration::from_millis(number("TIME_LIMIT")?.unwrap_or(60_000)),
        })
    }

    /// Returns how long one attempt may take.
    pub(crate) const fn time_limit(&self) -> Duration {
        self.time_limit
    }

    /// Returns whether this attempt, counted from 1, is one too many.
    pub(crate) const fn is_exceeded_by(&self, attempt: u32) -> bool {
        attempt > self.attempts
    }

    /// Returns the pause after this attempt, counted from 1.
    pub(crate) fn pause_after(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1);
        let pause = self.first_pause.saturating_mul(2_u32.saturating_pow(doublings));
        pause.min(Self::LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        attempts: 12,
        first_pause: Duration::from_secs(1),
        time_limit: Duration::from_secs(60),
    };

    #[test]
    fn the_pause_doubles_up_to_an_hour() {
        for (attempt, seconds) in
            [(0, 1), (1, 1), (2, 2), (3, 4), (12, 2_048), (13, 3_600), (u32::MAX, 3_600)]
        {
            assert_eq!(SCHEDULE.pause_after(attempt), Duration::from_secs(seconds), "{attempt}");
        }
    }

    #[test]
    fn twelve_attempts_take_thirty_four_minutes() {
        assert!(!SCHEDULE.is_exceeded_by(12));
        assert!(SCHEDULE.is_exceeded_by(13));
        let all: Duration = (1..12).map(|attempt| SCHEDULE.pause_after(attempt)).sum();
        assert_eq!(all.as_secs() / 60, 34);
    }
}
