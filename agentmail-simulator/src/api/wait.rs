use std::time::Duration;

use crate::{error::Problem, settings::Settings};

/// Reads a time such as `10s`, `500ms` or `1m`. At most 60 seconds.
pub(crate) fn parse(field: &str, text: &str) -> Result<Duration, Problem> {
    duration(text).filter(|wait| *wait <= Settings::WAIT).ok_or_else(|| {
        Problem::field(field, "is not a time up to 60 seconds, such as 500ms, 10s or 1m")
    })
}

/// Reads a time: a whole number, and `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        for (text, expected) in [
            ("10s", Some(10_000)),
            ("0s", Some(0)),
            ("500ms", Some(500)),
            ("1m", Some(60_000)),
            ("2h", Some(7_200_000)),
            ("1d", Some(86_400_000)),
            ("", None),
            ("10", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("1 s", None),
            ("99999999999999999999s", None),
            ("18446744073709551615d", None),
            ("1é", None),
        ] {
            assert_eq!(duration(text), expected.map(Duration::from_millis), "{text:?}");
        }
        assert!(parse("wait", "61s").is_err());
    }
}
