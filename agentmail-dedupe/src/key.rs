use std::fmt;

use sha2::{Digest, Sha256};

/// The key of a claim: a digest of a scope and of the 32 bytes that identify a message.
///
/// The *scope* is a namespace for keys. Use a different scope for each route, and for each
/// environment that shares a store: one message may go to two routes, and each must handle it.
///
/// A store sees nothing of a message but this digest. It is the SHA-256 of the scope's length in
/// bytes (64 bits, big-endian), the scope, and the 32 bytes.
///
/// ```
/// # use agentmail_dedupe::ClaimKey;
/// let message = [7; 32]; // for example the SHA-256 of the message's id
///
/// assert_eq!(ClaimKey::new("production", message), ClaimKey::new("production", message));
/// assert_ne!(ClaimKey::new("production", message), ClaimKey::new("staging", message));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimKey([u8; 32]);

impl ClaimKey {
    /// Returns the key of a message within a scope.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a length always fits")]
    pub fn new(scope: &str, message: impl Into<[u8; 32]>) -> Self {
        let length = u64::try_from(scope.len()).expect("a length in memory fits in 64 bits");
        let digest = Sha256::new()
            .chain_update(length.to_be_bytes())
            .chain_update(scope)
            .chain_update(message.into());
        Self(digest.finalize().into())
    }

    /// Returns the key with these bytes, which [`as_bytes`](Self::as_bytes) returned.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the digest, for a store that keeps bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Shows 64 hex digits, for a store that keeps text.
impl fmt::Display for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(const_hex::Buffer::<32>::new().format(&self.0))
    }
}

impl fmt::Debug for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_an_independent_digest() {
        // python3 -c 'import hashlib; scope, message = b"production", bytes(range(32))
        // print(hashlib.sha256(len(scope).to_bytes(8, "big") + scope + message).hexdigest())'
        let message = std::array::from_fn::<u8, 32, _>(|at| u8::try_from(at).unwrap());

        assert_eq!(
            ClaimKey::new("production", message).to_string(),
            "c171fd66d0a34fbf3f7818f5fda9f896132617b7d45aa932f052d04b381e6f13"
        );
    }

    #[test]
    fn shows_each_byte_as_two_digits() {
        let key = ClaimKey::from_bytes([0x0a; 32]);

        assert_eq!(key.to_string(), "0a".repeat(32));
        assert_eq!(format!("{key:?}"), format!("ClaimKey({})", "0a".repeat(32)));
    }

    #[test]
    fn two_scopes_or_two_messages_have_two_keys() {
        let key = ClaimKey::new("scope", [1; 32]);

        assert_ne!(key, ClaimKey::new("scopf", [1; 32]));
        assert_ne!(key, ClaimKey::new("", [1; 32]));
        assert_ne!(key, ClaimKey::new("scope", [2; 32]));
        assert_eq!(key, ClaimKey::from_bytes(*key.as_bytes()));
    }
}
