use std::fmt;

use uuid::Uuid;

/// Who holds a claim: a token that no other attempt shares.
///
/// `Display` is its 32 hex digits, for a store that keeps text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(Uuid);

impl Owner {
    /// Makes a token of 122 random bits.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}
