use core::fmt;

use crate::{error::VerifyError, unix_time::UnixTime};

/// The digits of the largest `u64`, and the dot that joins timestamp and body under the MAC.
const CAPACITY: usize = 20 + 1;

/// The value of `X-AgentMail-Timestamp`: seconds since the Unix epoch in decimal digits.
///
/// Digits only, no sign, no whitespace, no leading zero, at most `u64::MAX`. This grammar makes
/// `<timestamp>.<body>` unambiguous: if a dot were allowed, (`1`, `2.{}`) and (`1.2`, `{}`) would
/// have the same signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// The header's bytes as received, then a dot: what the MAC covers before the body.
    signed: [u8; CAPACITY],
    len: usize,
    at: UnixTime,
}

impl Timestamp {
    /// Parses a header's value. Fails with [`VerifyError::MalformedTimestamp`].
    #[inline]
    pub(crate) fn parse(value: &[u8]) -> Result<Self, VerifyError> {
        Self::from_digits(value).ok_or(VerifyError::MalformedTimestamp)
    }

    pub(crate) const fn time(&self) -> UnixTime {
        self.at
    }

    /// Returns the header's value as received.
    pub(crate) fn as_str(&self) -> &str {
        let digits = self.signed_prefix().strip_suffix(b".");
        let digits = digits.and_then(|digits| str::from_utf8(digits).ok());
        digits.expect("a timestamp is ASCII digits and a dot")
    }

    /// Returns what the MAC covers before the body: `<timestamp>.`.
    pub(crate) fn signed_prefix(&self) -> &[u8] {
        self.signed.get(..self.len).expect("`len` is the length of a part of `signed`")
    }

    #[inline]
    fn from_digits(value: &[u8]) -> Option<Self> {
        if matches!(value, [] | [b'0', _, ..]) {
            return None;
        }
        let mut signed = [0; CAPACITY];
        let (dot, digits) = signed.get_mut(..=value.len())?.split_last_mut()?;
        digits.copy_from_slice(value);
        *dot = b'.';

        let secs = value.iter().try_fold(0_u64, |secs, byte| {
            let digit = char::from(*byte).to_digit(10)?;
            secs.checked_mul(10)?.checked_add(u64::from(digit))
        })?;
        Some(Self { signed, len: value.len().checked_add(1)?, at: UnixTime::from_secs(secs) })
    }
}

impl From<UnixTime> for Timestamp {
    /// Prints the number and parses it, so that only one place knows how a timestamp is laid out.
    fn from(at: UnixTime) -> Self {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(at.as_secs());
        Self::from_digits(digits.as_bytes()).expect("a u64 prints as canonical decimal digits")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timestamp").field(&self.at.as_secs()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_canonical_decimal_seconds() {
        for (value, secs) in [
            ("0", 0),
            ("7", 7),
            ("1700000000", 1_700_000_000),
            ("1700000000000", 1_700_000_000_000),
            ("9223372036854775808", 1 << 63),
            ("18446744073709551615", u64::MAX),
        ] {
            let timestamp = Timestamp::parse(value.as_bytes()).unwrap();

            assert_eq!(timestamp.time().as_secs(), secs, "{value}");
            assert_eq!(timestamp.signed_prefix(), std::format!("{value}.").as_bytes());
        }
    }

    #[test]
    fn rejects_everything_else() {
        let digits_400 = [b'1'; 400];
        for value in [
            &b""[..],
            b"+1700000000",
            b"-1700000000",
            b"-9223372036854775808",
            b"01700000000",
            b"00",
            b" 1700000000",
            b"1700000000 ",
            b"1700000000\t",
            b"1700000000.",
            b"1700000000.5",
            b"1.7e9",
            b"1_700_000_000",
            b"0x6553f100",
            b"NaN",
            b"1700000000abc",
            b"18446744073709551616",
            b"18446744075409551616",
            b"99999999999999999999",
            b"111111111111111111111",
            &digits_400,
            "１７００００００００".as_bytes(),
            "١٧٠٠٠٠٠٠٠٠".as_bytes(),
            b"17000\xff0000",
            b"1700000000\0",
        ] {
            assert_eq!(
                Timestamp::parse(value),
                Err(VerifyError::MalformedTimestamp),
                "{}",
                value.escape_ascii()
            );
        }
    }
}
