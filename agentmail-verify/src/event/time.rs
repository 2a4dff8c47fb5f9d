use alloc::{borrow::ToOwned, string::String};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The time of an event, as the service wrote it.
///
/// The vendor's guide shows RFC 3339 with an offset, for example `2026-04-16T12:00:00+00:00`. The
/// seconds may have a fraction. The text is kept as received and is not checked. It has nothing to
/// do with the freshness of a delivery.
///
/// [`parse`](Self::parse) converts it into any type that reads RFC 3339. These features add
/// `TryFrom<&EventTime>`:
///
/// | feature | type |
/// | --- | --- |
/// | `jiff1` | `jiff::Timestamp` |
/// | `chrono04` | `chrono::DateTime<chrono::FixedOffset>` |
/// | `time03` | `time::OffsetDateTime` |
///
/// ```
/// # use agentmail_verify::EventTime;
/// let time = EventTime::new("2026-04-16T12:00:00+00:00");
///
/// assert_eq!(time.as_str(), "2026-04-16T12:00:00+00:00");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTime(String);

impl EventTime {
    /// Takes the text of a time, for tests.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text as received.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses the text into another crate's type.
    ///
    /// ```
    /// # #[cfg(feature = "jiff1")] {
    /// # use agentmail_verify::EventTime;
    /// let time = EventTime::new("2026-04-16T12:00:00+00:00").parse::<jiff::Timestamp>()?;
    ///
    /// assert_eq!(time.as_second(), 1_776_340_800);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the error of `T` if the text is not what `T` expects.
    pub fn parse<T: FromStr>(&self) -> Result<T, T::Err> {
        self.0.parse()
    }
}

impl From<String> for EventTime {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for EventTime {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl AsRef<str> for EventTime {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(feature = "jiff1")]
impl TryFrom<&EventTime> for jiff::Timestamp {
    type Error = jiff::Error;

    fn try_from(time: &EventTime) -> Result<Self, jiff::Error> {
        time.parse()
    }
}

#[cfg(feature = "chrono04")]
impl TryFrom<&EventTime> for chrono::DateTime<chrono::FixedOffset> {
    type Error = chrono::ParseError;

    fn try_from(time: &EventTime) -> Result<Self, chrono::ParseError> {
        Self::parse_from_rfc3339(time.as_str())
    }
}

#[cfg(feature = "time03")]
impl TryFrom<&EventTime> for time::OffsetDateTime {
    type Error = time::error::Parse;

    fn try_from(time: &EventTime) -> Result<Self, time::error::Parse> {
        Self::parse(time.as_str(), &time::format_description::well_known::Rfc3339)
    }
}
