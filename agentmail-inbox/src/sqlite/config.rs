use std::time::Duration;

use crate::sqlite::clock::StoreClock;

/// Settings for a [`SqliteStore`](crate::SqliteStore): how much may wait for the disk.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_max_waiting`](Self::with_max_waiting) | 4,096 messages |
/// | [`with_max_waiting_bytes`](Self::with_max_waiting_bytes) | 64 MiB |
/// | [`with_busy_timeout`](Self::with_busy_timeout) | 2 seconds |
#[derive(Debug, Clone)]
#[must_use]
pub struct SqliteConfig {
    pub(super) max_waiting: usize,
    pub(super) max_waiting_bytes: usize,
    pub(super) busy_timeout: Duration,
    #[cfg(feature = "test-util")]
    manual_clock: Option<crate::testing::ManualClock>,
}

impl SqliteConfig {
    /// Sets how many messages may wait to be written. Beyond that, a delivery gets 503.
    pub fn with_max_waiting(self, messages: usize) -> Self {
        Self { max_waiting: messages, ..self }
    }

    /// Sets how many bytes of bodies may wait to be written. Beyond that, a delivery gets 503. A
    /// single body may be longer.
    pub fn with_max_waiting_bytes(self, bytes: usize) -> Self {
        Self { max_waiting_bytes: bytes, ..self }
    }

    /// Sets how long a write waits for another connection that holds the write lock, for example
    /// one of your app or an operator's shell: at most 4 seconds.
    pub fn with_busy_timeout(self, timeout: Duration) -> Self {
        // An inbox stops waiting after 5 seconds.
        Self { busy_timeout: timeout.min(Duration::from_secs(4)), ..self }
    }

    /// Sets a clock that a test controls.
    #[cfg(feature = "test-util")]
    pub fn with_clock(self, clock: &crate::testing::ManualClock) -> Self {
        Self { manual_clock: Some(clock.clone()), ..self }
    }

    pub(super) fn clock(&self) -> StoreClock {
        #[cfg(feature = "test-util")]
        if let Some(clock) = &self.manual_clock {
            return StoreClock::manual(clock);
        }
        StoreClock::system()
    }
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self {
            max_waiting: 4_096,
            max_waiting_bytes: 64 * 1_024 * 1_024,
            busy_timeout: Duration::from_secs(2),
            #[cfg(feature = "test-util")]
            manual_clock: None,
        }
    }
}
