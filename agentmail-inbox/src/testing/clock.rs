use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// A clock for a store in a test. Time passes only if the test says so. A clone is the same clock.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Times>>);

#[derive(Debug, Clone, Copy)]
struct Times {
    time_of_day: SystemTime,
    elapsed: Duration,
}

impl ManualClock {
    /// Creates a clock that shows the current time of day.
    #[must_use]
    pub fn new() -> Self {
        let times = Times { time_of_day: SystemTime::now(), elapsed: Duration::ZERO };
        Self(Arc::new(Mutex::new(times)))
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        self.change(|times| {
            times.elapsed = times.elapsed.saturating_add(time);
            times.time_of_day = later(times.time_of_day, time);
        });
    }

    /// Sets the time of day back. No time passes.
    pub fn set_back(&self, by: Duration) {
        self.change(|times| {
            let earlier = times.time_of_day.checked_sub(by);
            times.time_of_day = earlier.unwrap_or(SystemTime::UNIX_EPOCH);
        });
    }

    /// Sets the time of day ahead. No time passes.
    pub fn set_ahead(&self, by: Duration) {
        self.change(|times| times.time_of_day = later(times.time_of_day, by));
    }

    /// Returns the time of day.
    #[must_use]
    pub fn time_of_day(&self) -> SystemTime {
        self.times().time_of_day
    }

    /// Returns how much time has passed since the clock was created.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.times().elapsed
    }

    fn times(&self) -> Times {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Times)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

fn later(time: SystemTime, by: Duration) -> SystemTime {
    time.checked_add(by).unwrap_or(time)
}
