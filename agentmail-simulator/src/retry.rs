use std::time::Duration;

/// When a delivery without a 2xx is tried again.
///
/// The pause doubles after each attempt, up to a limit. The real pause is random: between half of
/// that time and all of it. The vendor's guide does not say how its service retries. These are our
/// assumptions.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | attempts | 6 |
/// | first pause | 1 s |
/// | longest pause | 60 s |
/// | timeout of an attempt | 15 s |
/// | timestamp of a retry | fresh |
///
/// ```
/// use std::time::Duration;
///
/// use agentmail_simulator::Retry;
///
/// let retry = Retry::new().with_attempts(3).with_first_pause(Duration::from_millis(10));
/// assert_eq!(retry.attempts(), 3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Retry {
    attempts: u32,
    first_pause: Duration,
    longest_pause: Duration,
    timeout: Duration,
    keep_timestamp: bool,
}

impl Retry {
    /// Creates the default schedule.
    pub const fn new() -> Self {
        Self {
            attempts: 6,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(60),
            timeout: Duration::from_secs(15),
            keep_timestamp: false,
        }
    }

    /// Sets how many attempts a delivery has before it is a dead letter. 0 is the same as 1.
    pub const fn with_attempts(mut self, attempts: u32) -> Self {
        self.attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// Sets the pause after the first attempt.
    pub const fn with_first_pause(mut self, pause: Duration) -> Self {
        self.first_pause = pause;
        self
    }

    /// Sets the longest pause between two attempts.
    pub const fn with_longest_pause(mut self, pause: Duration) -> Self {
        self.longest_pause = pause;
        self
    }

    /// Sets how long an attempt may take, from connecting to the end of the response.
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets whether a retry repeats the timestamp and the signature of the first attempt. By
    /// default, each attempt is signed again.
    pub const fn with_keep_timestamp(mut self, keep_timestamp: bool) -> Self {
        self.keep_timestamp = keep_timestamp;
        self
    }

    /// Returns how many attempts a delivery has before it is a dead letter.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns the pause after the first attempt.
    #[must_use]
    pub const fn first_pause(&self) -> Duration {
        self.first_pause
    }

    /// Returns the longest pause between two attempts.
    #[must_use]
    pub const fn longest_pause(&self) -> Duration {
        self.longest_pause
    }

    /// Returns how long an attempt may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns whether a retry repeats the timestamp and the signature of the first attempt.
    #[must_use]
    pub const fn keep_timestamp(&self) -> bool {
        self.keep_timestamp
    }

    /// Returns the pause after this attempt (from 1). `jitter` is between 0 and 1.
    pub(crate) fn pause_after(&self, attempt: u32, jitter: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let pause = self.first_pause.saturating_mul(1 << doublings).min(self.longest_pause);
        pause.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_limit_and_varies_by_half() {
        let retry = Retry::new();

        for (attempt, jitter, expected) in [
            (1, 1.0, 1_000),
            (1, 0.0, 500),
            (2, 1.0, 2_000),
            (4, 0.5, 6_000),
            (7, 1.0, 60_000),
            (u32::MAX, 1.0, 60_000),
        ] {
            let pause = retry.pause_after(attempt, jitter);

            assert_eq!(pause, Duration::from_millis(expected), "attempt {attempt}");
        }
    }
}
