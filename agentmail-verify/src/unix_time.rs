use core::{fmt, time::Duration};

/// A point in time: whole seconds since 1970-01-01T00:00:00Z.
///
/// Every check takes the time as an argument. This crate never reads a clock by itself.
///
/// ```
/// use std::time::Duration;
///
/// # use agentmail_verify::UnixTime;
///
/// let time = UnixTime::from_secs(1_700_000_000);
///
/// assert_eq!(time.saturating_add(Duration::from_secs(600)).to_string(), "1700000600");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The last point in time that can be represented.
    pub(crate) const MAX: Self = Self(u64::MAX);

    /// Creates a point in time from seconds (not milliseconds) since the Unix epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// Returns the current time by the system's clock.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn now() -> Self {
        std::time::SystemTime::now().into()
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

    /// Adds the whole seconds of `duration`, or returns `None` if the result is out of range.
    #[must_use]
    pub const fn checked_add(self, duration: Duration) -> Option<Self> {
        match self.0.checked_add(duration.as_secs()) {
            Some(secs) => Some(Self(secs)),
            None => None,
        }
    }

    /// Adds the whole seconds of `duration`. The result is the last representable time if the sum
    /// is out of range.
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// Subtracts the whole seconds of `duration`, or returns `None` if the result is before 1970.
    #[must_use]
    pub const fn checked_sub(self, duration: Duration) -> Option<Self> {
        match self.0.checked_sub(duration.as_secs()) {
            Some(secs) => Some(Self(secs)),
            None => None,
        }
    }

    /// Subtracts the whole seconds of `duration`. The result is the start of 1970 if the difference
    /// is before it.
    #[must_use]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// Converts into the standard library's type, or returns `None` if that type cannot represent
    /// the time on this platform.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// # use agentmail_verify::UnixTime;
    ///
    /// let time = UnixTime::from_secs(60).to_system_time();
    ///
    /// assert_eq!(time, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60)));
    /// ```
    #[cfg(feature = "std")]
    #[must_use]
    pub fn to_system_time(self) -> Option<std::time::SystemTime> {
        std::time::SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.0))
    }
}

/// Shows the seconds since the Unix epoch.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Drops parts of a second. A time before 1970 becomes the start of 1970: every delivery is then
/// refused as too far ahead.
#[cfg(feature = "std")]
impl From<std::time::SystemTime> for UnixTime {
    fn from(time: std::time::SystemTime) -> Self {
        let since_epoch = time.duration_since(std::time::SystemTime::UNIX_EPOCH);
        Self::from_secs(since_epoch.map_or(0, |elapsed| elapsed.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn displays_plain_seconds() {
        assert_eq!(UnixTime::from_secs(0).to_string(), "0");
        assert_eq!(UnixTime::from_secs(1_700_000_000).to_string(), "1700000000");
        assert_eq!(UnixTime::MAX.to_string(), "18446744073709551615");
    }

    #[test]
    fn arithmetic_stops_at_both_ends() {
        let at = UnixTime::from_secs;

        assert_eq!(at(100).checked_add(MINUTE), Some(at(160)));
        assert_eq!(at(100).saturating_add(MINUTE), at(160));
        assert_eq!(at(100).checked_sub(MINUTE), Some(at(40)));
        assert_eq!(at(100).saturating_sub(MINUTE), at(40));

        assert_eq!(at(u64::MAX - 60).checked_add(MINUTE), Some(UnixTime::MAX));
        assert_eq!(at(u64::MAX - 59).checked_add(MINUTE), None);
        assert_eq!(at(u64::MAX - 59).saturating_add(MINUTE), UnixTime::MAX);
        assert_eq!(at(60).checked_sub(MINUTE), Some(at(0)));
        assert_eq!(at(59).checked_sub(MINUTE), None);
        assert_eq!(at(59).saturating_sub(MINUTE), at(0));
    }

    #[test]
    fn arithmetic_drops_parts_of_a_second() {
        let (time, part) = (UnixTime::from_secs(100), Duration::from_millis(1_999));

        assert_eq!(time.checked_add(part), Some(UnixTime::from_secs(101)));
        assert_eq!(time.saturating_add(part), UnixTime::from_secs(101));
        assert_eq!(time.checked_sub(part), Some(UnixTime::from_secs(99)));
        assert_eq!(time.saturating_sub(part), UnixTime::from_secs(99));
    }

    #[test]
    fn the_difference_of_two_times_has_a_direction() {
        let (early, late) = (UnixTime::from_secs(40), UnixTime::from_secs(100));

        assert_eq!(late.checked_since(early), Some(MINUTE));
        assert_eq!(late.checked_since(late), Some(Duration::ZERO));
        assert_eq!(early.checked_since(late), None);
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_system_time_is_rounded_down_and_never_wraps() {
        let epoch = std::time::SystemTime::UNIX_EPOCH;

        assert_eq!(UnixTime::from(epoch - Duration::from_secs(1)), UnixTime::from_secs(0));
        assert_eq!(UnixTime::from(epoch + Duration::from_millis(1_999)), UnixTime::from_secs(1));
    }

    #[cfg(feature = "std")]
    #[test]
    fn converts_to_a_system_time_where_that_can_hold_it() {
        let time = UnixTime::from_secs(1_700_000_000);

        assert_eq!(time.to_system_time().map(UnixTime::from), Some(time));
        // Every platform's type is signed, or begins later than 1970.
        assert_eq!(UnixTime::MAX.to_system_time(), None);
    }
}
