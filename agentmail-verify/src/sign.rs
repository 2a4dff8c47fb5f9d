use core::fmt;

use crate::{
    header::WebhookHeader, secret::Secret, timestamp::Timestamp, unix_time::UnixTime,
    verifier::Verifier,
};

const SCHEME: &[u8; 3] = b"v1=";
/// The scheme and the hex digits of a MAC.
const SIGNATURE_LEN: usize = SCHEME.len() + 64;

/// Signs deliveries as the service does. For tests, benches and a local simulator.
#[derive(Debug, Clone)]
#[must_use]
pub struct Signer {
    secret: Secret,
}

impl Signer {
    /// Creates a signer with this secret.
    pub const fn new(secret: Secret) -> Self {
        Self { secret }
    }

    /// Creates the two headers for a body, without allocation.
    ///
    /// ```
    /// # use agentmail_verify::{Secret, Signer, UnixTime};
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
        let signature = signature(&self.secret.mac(&timestamp, body));
        SignedDelivery { timestamp, signature }
    }

    /// Returns a verifier that accepts what this signer signs, with the default [`Tolerance`].
    ///
    /// ```
    /// # use agentmail_verify::{Secret, SignedHeaders, Signer, UnixTime};
    /// let now = UnixTime::from_secs(1_700_000_000);
    /// let signer = Signer::new(Secret::new("whsec_test_secret")?);
    /// let delivery = signer.sign(now, b"{}");
    ///
    /// let headers = SignedHeaders::parse(|header| delivery.value(header))?;
    /// assert!(signer.verifier().verify(&headers, b"{}", now).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`Tolerance`]: crate::Tolerance
    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.secret.clone())
    }
}

/// The two headers of a delivery that [`Signer::sign`] signed.
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
    #[expect(clippy::missing_panics_doc, reason = "`sign` writes nothing but ASCII")]
    pub fn signature(&self) -> &str {
        str::from_utf8(&self.signature).expect("it is a scheme and hex digits, all ASCII")
    }

    /// Returns the names (in lower case) and the values, to set them on a request.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 2] {
        [
            (WebhookHeader::Timestamp.name(), self.timestamp()),
            (WebhookHeader::Signature.name(), self.signature()),
        ]
    }

    /// Returns the value of one header, in the form that [`SignedHeaders::parse`] takes.
    ///
    /// [`SignedHeaders::parse`]: crate::SignedHeaders::parse
    #[must_use]
    pub fn value(&self, header: WebhookHeader) -> Option<&[u8]> {
        match header {
            WebhookHeader::Timestamp => Some(self.timestamp().as_bytes()),
            WebhookHeader::Signature => Some(&self.signature),
            WebhookHeader::Unsigned => None,
        }
    }
}

impl fmt::Debug for SignedDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedDelivery").field("timestamp", &self.timestamp).finish_non_exhaustive()
    }
}

fn signature(mac: &[u8; 32]) -> [u8; SIGNATURE_LEN] {
    let mut text = [0; SIGNATURE_LEN];
    let (scheme, digits) = text.split_at_mut(SCHEME.len());
    scheme.copy_from_slice(SCHEME);
    const_hex::encode_to_slice(mac, digits).expect("there are two digits for each byte");
    text
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
