use core::time::Duration;

/// A point in time: whole seconds since 1970-01-01T00:00:00Z.
///
/// Time is an argument of every check here and never read behind the caller's back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// Takes seconds (not milliseconds) since the Unix epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// Returns the seconds since the Unix epoch.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// Returns the time that has passed since `earlier`, or `None` if `earlier` is later.
    #[must_use]
    pub const fn checked_since(self, earlier: Self) -> Option<Duration> {
        match self.0.checked_sub(earlier.0) {
            Some(secs) => Some(Duration::from_secs(secs)),
            None => None,
        }
    }
}

/// Tells the time.
///
/// A [`UnixTime`] is a clock that stands still, and so is of use in tests; a closure
/// `Fn() -> UnixTime` is a clock too.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// use agentmail_verify::{Clock, UnixTime};
///
/// let secs = Arc::new(AtomicU64::new(1_700_000_000));
/// let hands = Arc::clone(&secs);
/// let clock = move || UnixTime::from_secs(hands.load(Ordering::Relaxed));
///
/// secs.fetch_add(60, Ordering::Relaxed);
/// assert_eq!(clock.now().as_secs(), 1_700_000_060);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not tell the time",
    label = "expected a `Clock`",
    note = "use `SystemClock`, a fixed `UnixTime`, or a closure `Fn() -> UnixTime`"
)]
pub trait Clock {
    /// Returns the present time.
    fn now(&self) -> UnixTime;
}

impl Clock for UnixTime {
    fn now(&self) -> UnixTime {
        *self
    }
}

impl<F> Clock for F
where
    F: Fn() -> UnixTime,
{
    fn now(&self) -> UnixTime {
        self()
    }
}

/// A time before 1970 reads as 1970: every delivery is then refused as too far ahead.
#[cfg(feature = "std")]
impl From<std::time::SystemTime> for UnixTime {
    fn from(time: std::time::SystemTime) -> Self {
        let since_epoch = time.duration_since(std::time::SystemTime::UNIX_EPOCH);
        Self::from_secs(since_epoch.map_or(0, |elapsed| elapsed.as_secs()))
    }
}

/// The system's clock.
#[cfg(feature = "std")]
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[cfg(feature = "std")]
impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        std::time::SystemTime::now().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_time_and_a_closure_are_clocks() {
        let at = UnixTime::from_secs(1_700_000_000);

        assert_eq!(at.now(), at);
        assert_eq!((|| at).now(), at);
    }

    #[cfg(feature = "std")]
    #[test]
    fn the_system_clock_counts_seconds() {
        let year_2020 = UnixTime::from_secs(1_577_836_800);
        let year_5138 = UnixTime::from_secs(100_000_000_000);

        assert!((year_2020..year_5138).contains(&SystemClock.now()));
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_system_time_is_rounded_down_and_never_wraps() {
        let epoch = std::time::SystemTime::UNIX_EPOCH;

        assert_eq!(UnixTime::from(epoch - Duration::from_secs(1)), UnixTime::from_secs(0));
        assert_eq!(UnixTime::from(epoch + Duration::from_millis(1_999)), UnixTime::from_secs(1));
    }
}
