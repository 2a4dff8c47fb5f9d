use core::fmt;

use crate::{Header, Secret, Timestamp, UnixTime};

/// `v1=` and the hex digits of a MAC.
const SIGNATURE_LEN: usize = 3 + 64;

/// Signs deliveries as the service does: for tests, benches and a local simulator.
#[derive(Debug, Clone)]
#[must_use]
pub struct Signer {
    secret: Secret,
}

impl Signer {
    /// Signs with this secret.
    pub const fn new(secret: Secret) -> Self {
        Self { secret }
    }

    /// Makes the two headers for a body, without allocation.
    ///
    /// ```
    /// use agentmail_verify::{Secret, Signer, UnixTime};
    ///
    /// let signer = Signer::new(Secret::new("whsec_test_secret")?);
    /// let delivery = signer.sign(UnixTime::from_secs(1_700_000_000), b"{}");
    ///
    /// for (name, value) in delivery.headers() {
    ///     println!("{name}: {value}");
    /// }
    /// # Ok::<(), agentmail_verify::SecretError>(())
    /// ```
    pub fn sign(&self, at: UnixTime, body: &[u8]) -> SignedDelivery {
        let timestamp = Timestamp::from(at);
        let mac = self.secret.mac(&timestamp, body);
        let mut signature = [0; SIGNATURE_LEN];
        let hex = const_hex::const_encode::<32, false>(&mac);
        let text = b"v1=".iter().chain(hex.as_bytes());
        signature.iter_mut().zip(text).for_each(|(place, byte)| *place = *byte);
        SignedDelivery { timestamp, signature }
    }
}

/// The two headers of a delivery that [`Signer::sign`] made.
#[derive(Clone)]
#[must_use]
pub struct SignedDelivery {
    timestamp: Timestamp,
    signature: [u8; SIGNATURE_LEN],
}

impl SignedDelivery {
    /// Returns the value of `X-AgentMail-Timestamp`.
    #[must_use]
    pub fn timestamp(&self) -> &str {
        self.timestamp.as_str()
    }

    /// Returns the value of `X-AgentMail-Signature`.
    #[must_use]
    pub fn signature(&self) -> &str {
        str::from_utf8(&self.signature).unwrap_or_default()
    }

    /// Returns names (in lower case) and values, to be set on a request.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 2] {
        [(Header::Timestamp.name(), self.timestamp()), (Header::Signature.name(), self.signature())]
    }

    /// Returns the lines of one header, in the form that [`SignedHeaders::read`] takes.
    ///
    /// [`SignedHeaders::read`]: crate::SignedHeaders::read
    #[must_use]
    pub fn lines(&self, header: Header) -> Option<&[u8]> {
        match header {
            Header::Timestamp => Some(self.timestamp().as_bytes()),
            Header::Signature => Some(&self.signature),
            Header::Unsigned => None,
        }
    }
}

impl fmt::Debug for SignedDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedDelivery").field("timestamp", &self.timestamp).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf '1700000000.' | openssl dgst -sha256 -hmac whsec_test_secret`.
    #[test]
    fn agrees_with_openssl_on_an_empty_body() {
        let signer = Signer::new(Secret::new("whsec_test_secret").unwrap());

        let delivery = signer.sign(UnixTime::from_secs(1_700_000_000), b"");

        assert_eq!(delivery.timestamp(), "1700000000");
        assert_eq!(
            delivery.headers(),
            [
                ("x-agentmail-timestamp", delivery.timestamp()),
                ("x-agentmail-signature", delivery.signature()),
            ]
        );
        assert_eq!(
            delivery.signature(),
            "v1=316b9ab98c15bfa039d243f3196acee619cf29749a91a634e6a8154e2f7b6727"
        );
    }

    #[test]
    fn prints_every_time_in_canonical_digits() {
        for secs in [0, 9, 10, 1_700_000_000, u64::MAX] {
            let timestamp = Timestamp::from(UnixTime::from_secs(secs));

            assert_eq!(timestamp.as_str(), std::format!("{secs}"));
            assert_eq!(Timestamp::parse(timestamp.as_str().as_bytes()), Ok(timestamp));
        }
    }
}
