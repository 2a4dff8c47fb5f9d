use core::{fmt, str::FromStr};

use crate::setup_error::setup_error;

/// An operator's name for a secret. Logs show which secret matched by this name.
///
/// A label is clearer than an index, because the index of a secret changes with a rotation. Labels
/// appear in logs: never put a part of the secret into one.
///
/// ```
/// # use agentmail_verify::{Label, Secret};
/// let label: Label = "2026-11".parse()?;
/// let secret = Secret::new("whsec_test_secret")?.with_label(label);
///
/// assert_eq!(secret.label().as_str(), "2026-11");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label {
    /// Zero after the text, so that equal labels have equal bytes and no stale memory is copied.
    bytes: [u8; Self::MAX_LEN],
    len: usize,
}

impl Label {
    /// The length of the longest label, in bytes.
    pub const MAX_LEN: usize = 32;

    /// Creates a label from 1 to 32 printable ASCII characters, for example `2026-11`.
    ///
    /// # Errors
    ///
    /// Fails if the text is empty, is longer, or contains any other character.
    pub fn new(text: &str) -> Result<Self, LabelError> {
        let mut bytes = [0; Self::MAX_LEN];
        let place = bytes.get_mut(..text.len()).ok_or(LabelError { _private: () })?;
        if text.is_empty() || !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(LabelError { _private: () });
        }
        place.copy_from_slice(text.as_bytes());
        Ok(Self { bytes, len: text.len() })
    }

    /// Returns the label's text.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "`new` lets nothing but ASCII in")]
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.len);
        let text = text.and_then(|text| str::from_utf8(text).ok());
        text.expect("a label is ASCII, and at most `MAX_LEN` bytes long")
    }
}

/// `default`: the label of a secret that was not given one.
impl Default for Label {
    fn default() -> Self {
        Self::new("default").expect("it is 7 printable ASCII characters")
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Label {
    type Error = LabelError;

    fn try_from(text: &str) -> Result<Self, LabelError> {
        Self::new(text)
    }
}

impl AsRef<str> for Label {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The error returned for a text that cannot be a label.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LabelError {
    _private: (),
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label is 1 to 32 printable ASCII characters")
    }
}

setup_error!(LabelError);

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn takes_1_to_32_printable_characters() {
        for text in ["a", "2026-11", "from the vault", &"x".repeat(32)] {
            let label = Label::new(text).unwrap();

            assert_eq!(label.to_string(), text);
            assert_eq!(label.as_ref(), text);
            assert_eq!(text.parse(), Ok(label));
            assert_eq!(Label::try_from(text), Ok(label));
        }
    }

    #[test]
    fn rejects_what_would_be_unreadable_in_a_log() {
        for text in ["", "two\nlines", "tab\t", "é", &"x".repeat(33)] {
            let error = Label::new(text).unwrap_err();

            assert_eq!(
                error.to_string(),
                "a label is 1 to 32 printable ASCII characters",
                "{text:?}"
            );
            assert_eq!(text.parse::<Label>(), Err(error));
            assert_eq!(Label::try_from(text), Err(error));
        }
    }

    #[test]
    fn the_default_is_an_ordinary_label() {
        assert_eq!(Label::default(), Label::new("default").unwrap());
    }
}
