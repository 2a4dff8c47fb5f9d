use core::fmt;
#[cfg(feature = "std")]
use std::sync::Arc;

use crate::unix_time::UnixTime;

/// A source of the current time.
///
/// - `SystemClock` (feature `std`) is the system's clock.
/// - A [`UnixTime`] is a clock that always shows the same time, for tests.
/// - [`clock_fn`] makes a clock from a closure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a clock",
    label = "expected a `Clock`",
    note = "use `SystemClock`, a fixed `UnixTime`, or `clock_fn` with a closure"
)]
pub trait Clock {
    /// Returns the current time.
    fn now(&self) -> UnixTime;
}

/// A clock that always shows this time.
impl Clock for UnixTime {
    fn now(&self) -> UnixTime {
        *self
    }
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> UnixTime {
        (**self).now()
    }
}

#[cfg(feature = "std")]
impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> UnixTime {
        (**self).now()
    }
}

/// The system's clock.
#[cfg(feature = "std")]
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[cfg(feature = "std")]
impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        UnixTime::now()
    }
}

/// Makes a clock from a closure.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
///
/// # use agentmail_verify::{Clock, UnixTime, clock_fn};
///
/// let secs = Arc::new(AtomicU64::new(1_700_000_000));
/// let shared = Arc::clone(&secs);
/// let clock = clock_fn(move || UnixTime::from_secs(shared.load(Ordering::Relaxed)));
///
/// secs.fetch_add(60, Ordering::Relaxed);
/// assert_eq!(clock.now().as_secs(), 1_700_000_060);
/// ```
pub const fn clock_fn<F: Fn() -> UnixTime>(f: F) -> ClockFn<F> {
    ClockFn(f)
}

/// The clock that [`clock_fn`] returns.
#[derive(Clone, Copy)]
#[must_use]
pub struct ClockFn<F>(F);

impl<F: Fn() -> UnixTime> Clock for ClockFn<F> {
    fn now(&self) -> UnixTime {
        (self.0)()
    }
}

impl<F> fmt::Debug for ClockFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClockFn").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    const AT: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn read(clock: impl Clock) -> UnixTime {
        clock.now()
    }

    #[test]
    fn a_fixed_time_and_a_closure_are_clocks() {
        assert_eq!(read(AT), AT);
        assert_eq!(read(clock_fn(|| AT)), AT);
    }

    #[test]
    fn a_reference_to_a_clock_is_a_clock() {
        let clock: &dyn Clock = &AT;

        assert_eq!(read(clock), AT);
    }

    #[cfg(feature = "std")]
    #[test]
    fn a_shared_clock_is_a_clock() {
        let clock: Arc<dyn Clock> = Arc::new(AT);

        assert_eq!(read(clock), AT);
    }

    #[test]
    fn debug_does_not_need_a_closure_that_has_it() {
        assert_eq!(format!("{:?}", clock_fn(|| AT)), "ClockFn { .. }");
    }

    #[cfg(feature = "std")]
    #[test]
    fn the_system_clock_counts_seconds() {
        let year_2020 = UnixTime::from_secs(1_577_836_800);
        let year_5138 = UnixTime::from_secs(100_000_000_000);

        assert!((year_2020..year_5138).contains(&SystemClock.now()));
    }
}
