use std::{error::Error, fmt, str::FromStr};

use uuid::Uuid;

/// The owner of a claim: a random token, one for each attempt to handle a message.
///
/// A store keeps it with the key, and lets only its owner renew, complete or release a claim.
///
/// ```
/// # use agentmail_dedupe::Owner;
/// let owner = Owner::random();
///
/// assert_eq!(owner.to_string().parse(), Ok(owner));
/// assert_eq!(Owner::from_bytes(*owner.as_bytes()), owner);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner([u8; 16]);

impl Owner {
    /// Returns a token of 122 random bits.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().into_bytes())
    }

    /// Returns the owner with these bytes, which [`as_bytes`](Self::as_bytes) returned.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns the token, for a store that keeps bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Shows 32 hex digits, for a store that keeps text.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(const_hex::Buffer::<16>::new().format(&self.0))
    }
}

/// Parses the 32 hex digits of `Display`.
impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, OwnerError> {
        let is_hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if is_hex { u128::from_str_radix(text, 16).ok() } else { None };
        number.map(|number| Self(number.to_be_bytes())).ok_or(OwnerError { _private: () })
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({self})")
    }
}

/// The error returned for a text that is not an [`Owner`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OwnerError {
    _private: (),
}

impl fmt::Display for OwnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the owner of a claim must be 32 hex digits")
    }
}

/// Shows the sentence of `Display`, for a `main` that returns this error.
impl fmt::Debug for OwnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for OwnerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_32_hex_digits_and_nothing_else() {
        let digits = "000102030405060708090a0b0c0d0e0f";
        let owner: Owner = digits.parse().unwrap();

        assert_eq!(owner.as_bytes(), &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(owner.to_string(), digits);
        for text in ["", "0a", "+00102030405060708090a0b0c0d0e0f", &digits.replace('0', "g")] {
            assert_eq!(text.parse::<Owner>(), Err(OwnerError { _private: () }), "{text}");
        }
    }

    #[test]
    fn no_two_are_alike() {
        assert_ne!(Owner::random(), Owner::random());
    }
}
