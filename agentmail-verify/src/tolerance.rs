use core::{fmt, time::Duration};

use crate::{error::VerifyError, setup_error::setup_error, unix_time::UnixTime};

/// How old a delivery may be, and how far ahead of the receiver's clock.
///
/// A timestamp is fresh if `now - max_age <= timestamp <= now + max_ahead`, both ends inclusive.
/// Parts of a second are dropped. No value turns the check off: zero allows no difference at all,
/// and neither side can exceed [`Tolerance::LIMIT`].
///
/// # Defaults
///
/// 300 seconds on both sides, as in the vendor's guide (`max_skew_seconds=300`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    max_age: Duration,
    max_ahead: Duration,
}

impl Tolerance {
    /// The widest tolerance on either side: 30 days.
    pub const LIMIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    /// Creates a tolerance.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # use agentmail_verify::Tolerance;
    ///
    /// let tolerance = Tolerance::new(Duration::from_secs(3_600), Duration::from_secs(60))?;
    /// # Ok::<(), agentmail_verify::ToleranceError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if either side exceeds [`Tolerance::LIMIT`].
    pub const fn new(max_age: Duration, max_ahead: Duration) -> Result<Self, ToleranceError> {
        match (whole_seconds(max_age), whole_seconds(max_ahead)) {
            (Ok(max_age), Ok(max_ahead)) => Ok(Self { max_age, max_ahead }),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// Sets how old a delivery may be.
    ///
    /// Raise it if the service repeats a delivery after a longer time with its first timestamp and
    /// signature. Otherwise each such attempt is refused as stale. A larger value also has a cost:
    /// an attacker who has recorded a delivery can replay it for that time.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # use agentmail_verify::{Secret, Tolerance, Verifier};
    ///
    /// let tolerance = Tolerance::default().with_max_age(Duration::from_secs(60 * 60))?;
    /// let verifier = Verifier::new(Secret::new("whsec_test_secret")?).with_tolerance(tolerance);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if `max_age` exceeds [`Tolerance::LIMIT`].
    pub const fn with_max_age(self, max_age: Duration) -> Result<Self, ToleranceError> {
        match whole_seconds(max_age) {
            Ok(max_age) => Ok(Self { max_age, ..self }),
            Err(error) => Err(error),
        }
    }

    /// Sets how far ahead of the receiver's clock a delivery may be.
    ///
    /// # Errors
    ///
    /// Fails if `max_ahead` exceeds [`Tolerance::LIMIT`].
    pub const fn with_max_ahead(self, max_ahead: Duration) -> Result<Self, ToleranceError> {
        match whole_seconds(max_ahead) {
            Ok(max_ahead) => Ok(Self { max_ahead, ..self }),
            Err(error) => Err(error),
        }
    }

    /// Returns how old a delivery may be.
    #[must_use]
    pub const fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Returns how far ahead of the receiver's clock a delivery may be.
    #[must_use]
    pub const fn max_ahead(&self) -> Duration {
        self.max_ahead
    }

    /// Checks that `signed_at` is fresh at `now`.
    ///
    /// This is for adapters, which refuse a stale delivery before they read its body. Verification
    /// makes the same check by itself.
    ///
    /// # Errors
    ///
    /// Fails with [`VerifyError::Stale`] or [`VerifyError::TooFarAhead`].
    #[inline]
    pub fn check(&self, signed_at: UnixTime, now: UnixTime) -> Result<(), VerifyError> {
        if let Some(ahead) = signed_at.checked_since(now)
            && ahead > self.max_ahead
        {
            return Err(VerifyError::TooFarAhead { ahead });
        }
        if let Some(age) = now.checked_since(signed_at)
            && age > self.max_age
        {
            return Err(VerifyError::Stale { age });
        }
        Ok(())
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(300), max_ahead: Duration::from_secs(300) }
    }
}

/// The error returned for a tolerance that exceeds [`Tolerance::LIMIT`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ToleranceError {
    _private: (),
}

impl fmt::Display for ToleranceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the tolerance exceeds 30 days: it would let old deliveries be replayed")
    }
}

setup_error!(ToleranceError);

const fn whole_seconds(duration: Duration) -> Result<Duration, ToleranceError> {
    let secs = duration.as_secs();
    if secs > Tolerance::LIMIT.as_secs() {
        return Err(ToleranceError { _private: () });
    }
    Ok(Duration::from_secs(secs))
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    /// Creates a tolerance in both ways, which must give the same result.
    fn tolerance(max_age: Duration, max_ahead: Duration) -> Result<Tolerance, ToleranceError> {
        let built = Tolerance::default()
            .with_max_age(max_age)
            .and_then(|tolerance| tolerance.with_max_ahead(max_ahead));

        assert_eq!(Tolerance::new(max_age, max_ahead), built);
        built
    }

    fn check(signed_at: u64) -> Result<(), VerifyError> {
        Tolerance::default().check(UnixTime::from_secs(signed_at), NOW)
    }

    #[test]
    fn accepts_a_timestamp_exactly_at_either_end() {
        assert_eq!(check(1_700_000_000 - 300), Ok(()));
        assert_eq!(check(1_700_000_000), Ok(()));
        assert_eq!(check(1_700_000_000 + 300), Ok(()));
    }

    #[test]
    fn rejects_a_timestamp_one_second_past_either_end() {
        let past = Duration::from_secs(301);

        assert_eq!(check(1_700_000_000 - 301), Err(VerifyError::Stale { age: past }));
        assert_eq!(check(1_700_000_000 + 301), Err(VerifyError::TooFarAhead { ahead: past }));
    }

    #[test]
    fn zero_allows_no_difference_at_all() {
        let exact = tolerance(Duration::ZERO, Duration::ZERO).unwrap();

        assert_eq!(exact.check(NOW, NOW), Ok(()));
        assert!(exact.check(UnixTime::from_secs(1_700_000_001), NOW).is_err());
        assert!(exact.check(UnixTime::from_secs(1_699_999_999), NOW).is_err());
    }

    #[test]
    fn no_value_turns_the_check_off() {
        let day = Duration::from_secs(86_400);

        assert!(tolerance(Tolerance::LIMIT, Tolerance::LIMIT).is_ok());
        assert!(tolerance(Tolerance::LIMIT + Duration::from_secs(1), day).is_err());
        assert!(tolerance(day, Tolerance::LIMIT + Duration::from_secs(1)).is_err());
        let error = tolerance(day, Duration::MAX).unwrap_err();
        assert!(error.to_string().starts_with("the tolerance exceeds 30 days"), "{error}");
    }

    #[test]
    fn parts_of_a_second_are_dropped() {
        let tolerance =
            tolerance(Duration::from_millis(1_999), Duration::from_millis(999)).unwrap();

        assert_eq!(tolerance.max_age(), Duration::from_secs(1));
        assert_eq!(tolerance.max_ahead(), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn agrees_with_arithmetic_in_128_bits(
            signed_at: u64,
            now: u64,
            max_age in 0_u64..2_592_000,
            max_ahead in 0_u64..2_592_000,
        ) {
            let tolerance =
                tolerance(Duration::from_secs(max_age), Duration::from_secs(max_ahead)).unwrap();
            let (at, today) = (i128::from(signed_at), i128::from(now));
            let fresh = today - i128::from(max_age) <= at && at <= today + i128::from(max_ahead);

            let outcome = tolerance.check(UnixTime::from_secs(signed_at), UnixTime::from_secs(now));

            prop_assert_eq!(outcome.is_ok(), fresh);
        }
    }
}
