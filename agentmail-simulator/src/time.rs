use jiff::Timestamp;

/// A time in UTC. In JSON, it is RFC 3339 with milliseconds.
pub(crate) type Time = Timestamp;

/// Returns the time of the system's clock, in whole milliseconds.
pub(crate) fn now() -> Time {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// Returns the seconds since 1970. A time before 1970 is 0.
pub(crate) fn unix_seconds(time: Time) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}

/// Writes a time as Python's `datetime.isoformat()` does for a time in UTC.
pub(crate) fn python_isoformat(time: Time) -> String {
    let form = if time.subsec_nanosecond() == 0 {
        "%Y-%m-%dT%H:%M:%S+00:00"
    } else {
        "%Y-%m-%dT%H:%M:%S.%6f+00:00"
    };
    time.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python: `datetime.fromtimestamp(…, timezone.utc).isoformat()`.
    #[test]
    fn writes_a_time_as_python_does() {
        for (milliseconds, expected) in [
            (1_776_340_800_000, "2026-04-16T12:00:00+00:00"),
            (1_776_340_800_120, "2026-04-16T12:00:00.120000+00:00"),
        ] {
            let time = Timestamp::from_millisecond(milliseconds).unwrap();

            assert_eq!(python_isoformat(time), expected);
        }
    }
}
