use serde::{Deserialize, Serialize};

/// What the service knows about a mail beside its content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flags {
    pub(crate) sender_verified: bool,
    pub(crate) peer_trust_tier: Option<String>,
    pub(crate) traffic_type: Option<String>,
    pub(crate) rate_limited: bool,
    pub(crate) is_duplicate: bool,
}

impl Flags {
    /// Fills in what is not given with the values of the guide's example. Only a verified sender
    /// has the trust tier `verified`.
    pub(crate) fn new(
        sender_verified: Option<bool>,
        peer_trust_tier: Option<String>,
        traffic_type: Option<String>,
        rate_limited: Option<bool>,
        is_duplicate: Option<bool>,
    ) -> Self {
        let sender_verified = sender_verified.unwrap_or(true);
        let verified = || sender_verified.then(|| "verified".to_owned());
        Self {
            sender_verified,
            peer_trust_tier: peer_trust_tier.or_else(verified),
            traffic_type,
            rate_limited: rate_limited.unwrap_or(false),
            is_duplicate: is_duplicate.unwrap_or(false),
        }
    }
}
