use core::{error::Error, fmt};

/// An operator's name for a secret, so that a log tells which one matched.
///
/// A label says more than an index, whose meaning changes at the next rotation. It is shown in logs:
/// never put a part of the secret into it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label {
    /// Zero behind the text, so that equal labels have equal bytes.
    bytes: [u8; Self::MAX_LEN],
    len: usize,
}

impl Label {
    /// The longest label, in bytes.
    pub const MAX_LEN: usize = 32;

    /// Takes 1 to 32 printable ASCII characters, such as `2026-11`.
    ///
    /// # Errors
    ///
    /// The text is empty, longer, or holds anything else.
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
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.len).unwrap_or_default();
        str::from_utf8(text).unwrap_or_default()
    }
}

impl Default for Label {
    /// `default`: the label of a secret that was given none.
    fn default() -> Self {
        let mut bytes = [0; Self::MAX_LEN];
        let text = b"default";
        bytes.iter_mut().zip(text).for_each(|(place, byte)| *place = *byte);
        Self { bytes, len: text.len() }
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

/// The text cannot be a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelError {
    _private: (),
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a label is 1 to 32 printable ASCII characters")
    }
}

impl Error for LabelError {}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn takes_1_to_32_printable_characters() {
        for text in ["a", "2026-11", "from the vault", &"x".repeat(32)] {
            assert_eq!(Label::new(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn rejects_what_would_not_stand_well_in_a_log() {
        for text in ["", "two\nlines", "tab\t", "é", &"x".repeat(33)] {
            let error = Label::new(text).unwrap_err();

            assert_eq!(
                error.to_string(),
                "a label is 1 to 32 printable ASCII characters",
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_default_is_an_ordinary_label() {
        assert_eq!(Label::default(), Label::new("default").unwrap());
    }
}
