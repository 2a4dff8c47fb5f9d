use core::fmt;

use crate::{
    label::Label,
    mac::{Key, Mac},
    setup_error::setup_error,
    timestamp::Timestamp,
};

/// A signing secret, as HMAC-SHA256 state that is computed once.
///
/// The text itself is not kept, and the part of the stack where it was padded is overwritten. The
/// state is wiped on drop, and so are the copies that [`Verifier::verify`] makes. As with any value
/// in Rust, a move may leave a copy of the state behind.
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
    /// Takes the secret as the service showed it. Its bytes are the key: nothing is decoded, and no
    /// prefix is removed.
    ///
    /// # Errors
    ///
    /// Fails if the text is empty, or has whitespace at either end. The line end of a file is the
    /// most common cause of signatures that do not match.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, SecretError> {
        let key = secret.as_ref();
        if key.is_empty() {
            return Err(SecretError::Empty);
        }
        if has_whitespace_at_an_end(key) {
            return Err(SecretError::SurroundingWhitespace);
        }
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
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the signing secret is empty",
            Self::SurroundingWhitespace => {
                "the signing secret has whitespace at its start or end, for example a newline"
            }
        })
    }
}

setup_error!(SecretError);

fn has_whitespace_at_an_end(key: &[u8]) -> bool {
    match str::from_utf8(key) {
        Ok(text) => text.trim().len() != text.len(),
        Err(_) => key.trim_ascii().len() != key.len(),
    }
}

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
        assert_eq!(Secret::new(b"\xff\n").unwrap_err(), SecretError::SurroundingWhitespace);
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
    fn takes_any_other_bytes_as_they_are() {
        for key in [&b"s"[..], b"whsec_c2VjcmV0", b"two words", b"\xff\x00\xfe", &[b'k'; 1_000]] {
            assert!(Secret::new(key).is_ok());
        }
    }
}
