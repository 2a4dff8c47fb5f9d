use core::fmt;

use crate::{
    label::Label,
    mac::{Key, Mac},
    secret::text,
    setup_error::setup_error,
    timestamp::Timestamp,
};

/// A signing secret, kept as the HMAC-SHA256 state that is computed from its text.
///
/// The text itself is not kept. HMAC pads the text to a full block on the stack, and that part of
/// the stack is overwritten. The state is wiped on drop. The copies of the state that
/// [`Verifier::verify`] makes are wiped too. As with any value in Rust, a move may leave a copy of
/// the state in memory.
///
/// `Debug` prints a fixed text. `Display`, `PartialEq` and serde's traits are not implemented.
///
/// ```
/// # use agentmail_verify::{Label, Secret};
/// let secret = Secret::new("the text that PUT /webhook showed once")?
///     .with_label(Label::new("2026-11")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`Verifier::verify`]: crate::Verifier::verify
#[derive(Clone)]
pub struct Secret {
    key: Key,
    label: Label,
}

impl Secret {
    /// Creates a secret from the text that the service showed. The bytes of the text are the key:
    /// nothing is decoded, and no prefix is removed.
    ///
    /// Quotes and `NAME=` are accepted, because a secret may contain them. If the service did not
    /// show them, remove them: otherwise no signature matches
    /// ([`VerifyError::Mismatch`](crate::VerifyError::Mismatch)).
    ///
    /// # Errors
    ///
    /// Fails if the text contains something that no secret of the service contains, for example a
    /// line end or a byte order mark. The usual cause is the tool that wrote the text.
    /// [`SecretError`] has a variant for each case.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, SecretError> {
        let key = secret.as_ref();
        text::check(key)?;
        Ok(Self { key: Key::new(key), label: Label::default() })
    }

    /// Sets the secret's name in logs.
    #[must_use]
    pub fn with_label(mut self, label: Label) -> Self {
        self.label = label;
        self
    }

    /// Returns the secret's name in logs. It is `default` unless [`with_label`](Self::with_label)
    /// set another.
    #[must_use]
    pub const fn label(&self) -> Label {
        self.label
    }

    /// Computes the MAC of `<timestamp>.<body>`.
    #[inline]
    pub(crate) fn mac(&self, timestamp: &Timestamp, body: &[u8]) -> [u8; 32] {
        self.key.mac(timestamp.signed_prefix(), body)
    }

    /// Begins the MAC of `<timestamp>.<body>`. The body follows.
    pub(crate) fn begin(&self, timestamp: &Timestamp) -> Mac {
        let mut mac = self.key.begin();
        mac.update(timestamp.signed_prefix());
        mac
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a text cannot be a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// The text is empty.
    Empty,
    /// The text begins or ends with whitespace, or consists of whitespace.
    SurroundingWhitespace,
    /// The bytes are not UTF-8.
    NotUtf8,
    /// The bytes are UTF-16: they begin with its byte order mark, or every other byte is NUL.
    Utf16,
    /// The text begins with the byte order mark of UTF-8.
    ByteOrderMark,
    /// The text contains a control character, for example NUL, a tab, or the end of a line.
    ControlCharacter,
    /// The text contains a character that is not visible, for example a zero-width space.
    InvisibleCharacter,
    /// The text contains U+FFFD, which programs write in place of bytes that they cannot decode.
    ReplacementCharacter,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the signing secret is empty",
            Self::SurroundingWhitespace => {
                "the signing secret has whitespace at its start or end, for example a newline"
            }
            Self::NotUtf8 => "the signing secret is not UTF-8",
            Self::Utf16 => {
                "the signing secret is UTF-16: save it as UTF-8 without a byte order mark"
            }
            Self::ByteOrderMark => {
                "the signing secret begins with a byte order mark: save it as UTF-8 without one"
            }
            Self::ControlCharacter => {
                "the signing secret has a control character, for example a second line or NUL"
            }
            Self::InvisibleCharacter => {
                "the signing secret has an invisible character, for example a zero-width space"
            }
            Self::ReplacementCharacter => {
                "the signing secret has U+FFFD: a program could not decode the original text"
            }
        })
    }
}

setup_error!(SecretError);

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn rejects_an_empty_or_blank_text() {
        assert_eq!(Secret::new("").unwrap_err(), SecretError::Empty);
        assert_eq!(Secret::new(" \n").unwrap_err(), SecretError::SurroundingWhitespace);
    }

    #[test]
    fn rejects_whitespace_at_either_end() {
        for text in
            ["secret\n", "secret\r\n", " secret", "secret\t", "\u{a0}secret", "secret\u{2003}"]
        {
            assert_eq!(
                Secret::new(text).unwrap_err(),
                SecretError::SurroundingWhitespace,
                "{text:?}"
            );
        }
    }

    #[test]
    fn says_what_is_wrong_and_never_what_the_secret_is() {
        let shown = |text| Secret::new(text).map(|secret| std::format!("{secret:?}"));

        assert_eq!(shown("hush").unwrap(), "Secret(..)");
        assert_eq!(shown("").unwrap_err().to_string(), "the signing secret is empty");
        let error = shown("hush\n").unwrap_err().to_string();
        assert!(
            error.starts_with("the signing secret has whitespace at its start or end"),
            "{error}"
        );
    }

    #[test]
    fn takes_any_other_text_as_it_is() {
        for key in
            ["s", "whsec_c2VjcmV0", "two words", "\"quoted\"", "Schlüssel", &"k".repeat(1_000)]
        {
            let secret = Secret::new(key).unwrap();

            assert_eq!(secret.key.mac(b"", b""), Key::new(key.as_bytes()).mac(b"", b""), "{key}");
        }
    }
}
