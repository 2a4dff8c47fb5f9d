use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The time of a store, in milliseconds since 1970.
///
/// It is the time of day when the store was opened, and the time that has passed since then. So a
/// clock that is set back or ahead while the process runs changes nothing.
#[derive(Clone)]
pub(super) struct StoreClock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl StoreClock {
    pub(super) fn system() -> Self {
        let (opened_at, opened) = (milliseconds_of(SystemTime::now()), Instant::now());
        Self(Arc::new(move || opened_at.saturating_add(milliseconds(opened.elapsed()))))
    }

    /// A clock that a test controls.
    #[cfg(feature = "test-util")]
    pub(super) fn manual(clock: &crate::testing::ManualClock) -> Self {
        let (clock, opened_at) = (clock.clone(), milliseconds_of(clock.time_of_day()));
        let opened = clock.elapsed();
        Self(Arc::new(move || {
            opened_at.saturating_add(milliseconds(clock.elapsed().saturating_sub(opened)))
        }))
    }

    pub(super) fn now(&self) -> i64 {
        (self.0)()
    }
}

impl fmt::Debug for StoreClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreClock({})", self.now())
    }
}

pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Returns a time in milliseconds since 1970. A time before 1970 is 0.
pub(super) fn milliseconds_of(time: SystemTime) -> i64 {
    milliseconds(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

pub(super) fn duration(milliseconds: i64) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

pub(super) fn time(milliseconds: i64) -> SystemTime {
    UNIX_EPOCH.checked_add(duration(milliseconds)).unwrap_or(UNIX_EPOCH)
}
