use alloc::{borrow::ToOwned, string::String};
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How far the service trusts a sender.
///
/// The vendor's guide shows one tier, and defines no order among tiers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrustTier {
    /// `verified`.
    Verified,
    /// A tier that the guide does not show, as the service wrote it.
    Other(String),
}

impl TrustTier {
    /// Returns the tier as the service writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Verified => "verified",
            Self::Other(tier) => tier,
        }
    }
}

impl From<String> for TrustTier {
    fn from(tier: String) -> Self {
        if tier == Self::Verified.as_str() { Self::Verified } else { Self::Other(tier) }
    }
}

impl From<&str> for TrustTier {
    fn from(tier: &str) -> Self {
        tier.to_owned().into()
    }
}

impl fmt::Display for TrustTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for TrustTier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for TrustTier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}
