//! The time of an event: its text, and its conversions into other crates' types.

use agentmail_verify::EventTime;

/// The example in the vendor's guide, and the same time in other notations.
#[cfg(any(feature = "chrono04", feature = "jiff1", feature = "time03"))]
const SAME: [&str; 4] = [
    "2026-04-16T12:00:00+00:00",
    "2026-04-16T12:00:00Z",
    "2026-04-16T14:00:00+02:00",
    "2026-04-16T12:00:00.000+00:00",
];
#[cfg(any(feature = "chrono04", feature = "jiff1", feature = "time03"))]
const WITH_A_FRACTION: &str = "2026-04-16T12:00:00.25+00:00";
/// The same time in Unix seconds, by `date -d 2026-04-16T12:00:00+00:00 +%s`.
#[cfg(any(feature = "chrono04", feature = "jiff1", feature = "time03"))]
const UNIX: i64 = 1_776_340_800;
/// Texts that are not a point in time. A date alone is not, nor is a time without an offset.
#[cfg(any(feature = "chrono04", feature = "jiff1", feature = "time03"))]
const NOT_A_TIME: [&str; 6] =
    ["", "yesterday", "1776340800", "2026-04-16", "2026-04-16T12:00:00", "2026-13-16T12:00:00Z"];

#[test]
fn keeps_the_text_as_received() {
    for text in ["2026-04-16T12:00:00+00:00", " yesterday\n", ""] {
        let time = EventTime::new(text);

        assert_eq!(time.as_str(), text);
        assert_eq!(time.as_ref(), text);
        assert_eq!(time.to_string(), text);
        assert_eq!(time, EventTime::from(text));
        assert_eq!(time, EventTime::from(text.to_owned()));
    }
}

#[test]
fn is_a_text_in_json() {
    let time = EventTime::new("2026-04-16T12:00:00+00:00");

    let json = serde_json::to_string(&time).unwrap();

    assert_eq!(json, r#""2026-04-16T12:00:00+00:00""#);
    assert_eq!(serde_json::from_str::<EventTime>(&json).unwrap(), time);
    assert!(serde_json::from_str::<EventTime>("1776340800").is_err());
}

#[test]
fn parses_into_any_type_that_reads_text() {
    assert_eq!(EventTime::new("7").parse::<u8>(), Ok(7));
    assert!(EventTime::new("2026-04-16T12:00:00Z").parse::<u8>().is_err());
}

#[cfg(feature = "jiff1")]
#[test]
fn converts_into_a_timestamp_of_jiff() {
    let convert = |text| jiff::Timestamp::try_from(&EventTime::new(text));

    for text in SAME {
        assert_eq!(convert(text).unwrap().as_second(), UNIX, "{text}");
    }
    assert_eq!(convert(WITH_A_FRACTION).unwrap().as_millisecond(), UNIX * 1_000 + 250);
    for text in NOT_A_TIME {
        assert!(convert(text).is_err(), "{text}");
    }
}

#[cfg(feature = "chrono04")]
#[test]
fn converts_into_a_date_and_time_of_chrono() {
    let convert = |text| chrono::DateTime::<chrono::FixedOffset>::try_from(&EventTime::new(text));

    for text in SAME {
        assert_eq!(convert(text).unwrap().timestamp(), UNIX, "{text}");
    }
    assert_eq!(convert(WITH_A_FRACTION).unwrap().timestamp_millis(), UNIX * 1_000 + 250);
    assert_eq!(convert(SAME[2]).unwrap().offset().local_minus_utc(), 2 * 60 * 60);
    for text in NOT_A_TIME {
        assert!(convert(text).is_err(), "{text}");
    }
}

#[cfg(feature = "time03")]
#[test]
fn converts_into_a_date_and_time_of_time() {
    let convert = |text| time::OffsetDateTime::try_from(&EventTime::new(text));

    for text in SAME {
        assert_eq!(convert(text).unwrap().unix_timestamp(), UNIX, "{text}");
    }
    let nanoseconds = convert(WITH_A_FRACTION).unwrap().unix_timestamp_nanos();
    assert_eq!(nanoseconds, i128::from(UNIX * 1_000 + 250) * 1_000_000);
    assert_eq!(convert(SAME[2]).unwrap().offset().whole_hours(), 2);
    for text in NOT_A_TIME {
        assert!(convert(text).is_err(), "{text}");
    }
}
