use alloc::string::ToString;
use core::{error::Error, fmt};

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::{event::flaw::Flaw, field_name::FieldName, readable::readable_copy};

/// Reads the body of a verified delivery as JSON.
///
/// It also reads legal JSON that `serde_json` refuses: a lone surrogate escape (`"\ud83d"`) is read
/// as U+FFFD, and a number that no `f64` can hold (`1e999`) as `null`.
///
/// # Errors
///
/// Fails if the body is not JSON, or is not the JSON that `T` expects.
pub fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, PayloadError> {
    // The whole body is checked here, because serde does not check the text of ignored fields.
    let text = str::from_utf8(body).map_err(|_| PayloadError::NOT_TEXT)?;
    let read = serde_json::from_str(text).or_else(|error| match readable_copy(text) {
        Some(copy) => serde_json::from_str(&copy),
        None => Err(error),
    });
    read.map_err(|error| PayloadError {
        is_json: error.classify() == Category::Data,
        fault: if text.starts_with('\u{feff}') {
            Some(Fault::ByteOrderMark)
        } else {
            Fault::behind(&error)
        },
        line: error.line(),
        column: error.column(),
    })
}

/// Why the body of a verified delivery is not what the handler expects.
///
/// The error has the line and column at which reading stopped. It names the field if the field is
/// missing or duplicated, or if `T` is one of this crate's types. It does not contain the parser's
/// message, because that message may quote the mail's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadError {
    is_json: bool,
    fault: Option<Fault>,
    line: usize,
    column: usize,
}

impl PayloadError {
    const NOT_TEXT: Self = Self { is_json: false, fault: Some(Fault::NotUtf8), line: 0, column: 0 };

    /// Returns the stable, machine-readable name of the cause: `malformed_json` for a body that is
    /// not JSON, `unexpected_payload` for JSON of another shape or another `type`. If a body has
    /// both faults, the first one in the body decides.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        if self.is_json { "unexpected_payload" } else { "malformed_json" }
    }

    /// Returns the line at which reading stopped, counted from 1. It is 0 if the fault has no line.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// Returns the column at which reading stopped, in bytes counted from 1. It is 0 if the
    /// fault has no column.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_json { "not of the expected shape" } else { "not JSON" };
        write!(f, "the body is {what}")?;
        match &self.fault {
            Some(Fault::Flaw(flaw)) => write!(f, ": {}", flaw.as_str())?,
            Some(Fault::Missing(name)) => write!(f, ": `{name}` is missing")?,
            Some(Fault::Duplicate(name)) => write!(f, ": `{name}` is duplicated")?,
            Some(Fault::ByteOrderMark) => f.write_str(": it begins with a byte order mark")?,
            Some(Fault::NotUtf8) => f.write_str(": it is not UTF-8")?,
            None => {}
        }
        if self.line > 0 {
            write!(f, ", at line {} column {}", self.line, self.column)?;
        }
        Ok(())
    }
}

impl Error for PayloadError {}

/// What is known about a fault beside its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Flaw(Flaw),
    Missing(FieldName),
    Duplicate(FieldName),
    ByteOrderMark,
    NotUtf8,
}

impl Fault {
    fn behind(error: &serde_json::Error) -> Option<Self> {
        let message = error.to_string();
        let missing = || FieldName::after("missing field", &message).map(Self::Missing);
        let duplicate = || FieldName::after("duplicate field", &message).map(Self::Duplicate);
        Flaw::behind(&message).map(Self::Flaw).or_else(missing).or_else(duplicate)
    }
}

#[cfg(test)]
mod tests {
    use std::{format, vec::Vec};

    use super::*;

    #[test]
    fn tells_what_is_not_json_from_json_of_another_shape() {
        for (body, code, line, column) in [
            (&b""[..], "malformed_json", 1, 0),
            (b"[1", "malformed_json", 1, 2),
            (b"\xff", "malformed_json", 0, 0),
            (b"[1, \"\xff\"]", "malformed_json", 0, 0),
            (b"\xef\xbb\xbf[]", "malformed_json", 1, 1),
            (b"[1,\n\"secret\"]", "unexpected_payload", 2, 8),
            (b"[1] [2]", "malformed_json", 1, 5),
        ] {
            let error = from_json::<Vec<u8>>(body).unwrap_err();

            let seen = (error.code(), error.line(), error.column());
            assert_eq!(seen, (code, line, column), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn says_where_reading_stopped() {
        let shown = |body| format!("{}", from_json::<Vec<u8>>(body).unwrap_err());

        assert_eq!(shown(b"[1"), "the body is not JSON, at line 1 column 2");
        assert_eq!(shown(b"\xff"), "the body is not JSON: it is not UTF-8");
        assert_eq!(
            shown(b"\xef\xbb\xbf[]"),
            "the body is not JSON: it begins with a byte order mark, at line 1 column 1"
        );
    }

    #[test]
    fn shows_nothing_of_the_body() {
        let error = from_json::<Vec<u8>>(br#"["a private subject"]"#).unwrap_err();

        for shown in [format!("{error}"), format!("{error:?}")] {
            assert!(!shown.contains("private"), "{shown}");
        }
        assert!(error.source().is_none());
    }
}
