use core::{error::Error, fmt};

use crate::{
    Label, LabelError, Timestamp,
    mac::{Key, Mac},
};

#[cfg(feature = "std")]
mod file;

#[cfg(feature = "std")]
pub use self::file::SecretFileError;

/// A signing secret, as HMAC-SHA256 state that was keyed once.
///
/// The text itself is not kept. The state is wiped on drop; a verification overwrites or wipes its
/// copies of it. `Debug` prints a fixed text; there is no `Display`, no `PartialEq` and no
/// serde.
///
/// ```
/// use agentmail_verify::Secret;
///
/// let secret = Secret::new("the text that PUT /webhook showed once")?.with_label("2026-11")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Secret {
    key: Key,
    label: Label,
}

impl Secret {
    /// Takes the secret as the service showed it. Its bytes are the key: nothing is decoded, no
    /// prefix is taken off.
    ///
    /// # Errors
    ///
    /// The text is empty, or has white space at either end (the line end of a file is the most
    /// common cause of signatures that do not match).
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, SecretError> {
        let key = secret.as_ref();
        if key.is_empty() {
            return Err(SecretError::Empty);
        }
        if has_white_space_at_an_end(key) {
            return Err(SecretError::SurroundingWhiteSpace);
        }
        Ok(Self { key: Key::new(key), label: Label::default() })
    }

    /// Names the secret for logs; 1 to 32 printable ASCII characters.
    ///
    /// # Errors
    ///
    /// The text cannot be a [`Label`].
    pub fn with_label(mut self, label: &str) -> Result<Self, LabelError> {
        self.label = Label::new(label)?;
        Ok(self)
    }

    /// Returns the secret's name in logs, `default` if it was given none.
    #[must_use]
    pub const fn label(&self) -> Label {
        self.label
    }

    /// Computes the MAC of `<timestamp>.<body>`.
    #[inline]
    pub(crate) fn mac(&self, timestamp: &Timestamp, body: &[u8]) -> [u8; 32] {
        self.key.mac(timestamp.signed_prefix(), body)
    }

    /// Begins the MAC of `<timestamp>.<body>`; the body is still to come.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretError {
    /// The text is empty.
    Empty,
    /// The text begins or ends with white space, or holds nothing else.
    SurroundingWhiteSpace,
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the signing secret is empty",
            Self::SurroundingWhiteSpace => {
                "the signing secret has white space at an end: was the line end of a file kept?"
            }
        })
    }
}

impl Error for SecretError {}

fn has_white_space_at_an_end(key: &[u8]) -> bool {
    match str::from_utf8(key) {
        Ok(text) => text.trim().len() != text.len(),
        Err(_) => key.trim_ascii().len() != key.len(),
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use static_assertions::{assert_impl_all, assert_not_impl_any};

    use super::*;

    assert_impl_all!(Secret: Send, Sync, Clone);
    assert_not_impl_any!(Secret: fmt::Display, PartialEq, Copy, Default);

    #[test]
    fn rejects_an_empty_or_blank_text() {
        assert_eq!(Secret::new("").unwrap_err(), SecretError::Empty);
        assert_eq!(Secret::new(" \n").unwrap_err(), SecretError::SurroundingWhiteSpace);
    }

    #[test]
    fn rejects_white_space_at_either_end() {
        for text in
            ["secret\n", "secret\r\n", " secret", "secret\t", "\u{a0}secret", "secret\u{2003}"]
        {
            assert_eq!(
                Secret::new(text).unwrap_err(),
                SecretError::SurroundingWhiteSpace,
                "{text:?}"
            );
        }
        assert_eq!(Secret::new(b"\xff\n").unwrap_err(), SecretError::SurroundingWhiteSpace);
    }

    #[test]
    fn says_what_is_wrong_and_never_what_the_secret_is() {
        let shown = |text| Secret::new(text).map(|secret| std::format!("{secret:?}"));

        assert_eq!(shown("hush").unwrap(), "Secret(..)");
        assert_eq!(shown("").unwrap_err().to_string(), "the signing secret is empty");
        let error = shown("hush\n").unwrap_err().to_string();
        assert!(error.starts_with("the signing secret has white space at an end"), "{error}");
    }

    #[test]
    fn takes_any_other_bytes_as_they_are() {
        for key in [&b"s"[..], b"whsec_c2VjcmV0", b"two words", b"\xff\x00\xfe", &[b'k'; 1_000]] {
            assert!(Secret::new(key).is_ok());
        }
    }
}
