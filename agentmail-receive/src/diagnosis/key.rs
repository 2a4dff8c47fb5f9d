use agentmail_verify::{Label, SignedHeaders, Verifier, WebhookHeader};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{budget::Meter, signed_text::SignedText};

/// A secret to try.
pub(super) enum Key<'a> {
    /// A secret whose text is known. It can sign anything.
    Text { hmac: Box<Hmac<Sha256>>, label: Label },
    /// Secrets whose text is not known. They sign only what the service would sign.
    Verifier(&'a Verifier),
}

impl<'a> Key<'a> {
    pub(super) fn new(text: &[u8], label: Label) -> Self {
        let hmac = Hmac::new_from_slice(text).expect("HMAC accepts keys of any length");
        Self::Text { hmac: Box::new(hmac), label }
    }

    pub(super) const fn of_verifier(verifier: &'a Verifier) -> Self {
        Self::Verifier(verifier)
    }

    /// Returns whether the key can sign after this text.
    pub(super) fn signs(&self, text: &SignedText) -> bool {
        match self {
            Self::Text { .. } => true,
            Self::Verifier(_) => text.timestamp().is_some(),
        }
    }

    /// Returns the first of these MACs that the key makes of the text and the body, with the label
    /// of the secret. Returns `None` for a text that the key cannot sign, or without a budget.
    pub(super) fn find(
        &self,
        macs: &[[u8; 32]],
        text: &SignedText,
        body: &[u8],
        meter: &mut Meter,
    ) -> Option<(usize, Label)> {
        match self {
            Self::Text { hmac, label } => {
                if !meter.pay(text.prefix().len().saturating_add(body.len())) {
                    return None;
                }
                let mut hmac = Hmac::clone(hmac);
                hmac.update(text.prefix());
                hmac.update(body);
                let at = macs.iter().position(|mac| hmac.clone().verify_slice(mac).is_ok())?;
                Some((at, *label))
            }
            Self::Verifier(verifier) => {
                let timestamp = text.timestamp()?;
                macs.iter().enumerate().find_map(|(at, mac)| {
                    let signature = format!("v1={}", const_hex::encode(mac));
                    let headers = SignedHeaders::parse(|header| match header {
                        WebhookHeader::Timestamp => Some(timestamp),
                        WebhookHeader::Signature => Some(signature.as_bytes()),
                        WebhookHeader::Unsigned => None,
                    });
                    let headers = headers.ok()?;
                    let paid = verifier
                        .labels()
                        .all(|_| meter.pay(text.prefix().len().saturating_add(body.len())));
                    if !paid {
                        return None;
                    }
                    // At its own time, each delivery is fresh.
                    let receipt = verifier.verify(&headers, body, headers.signed_at()).ok()?;
                    Some((at, receipt.label()))
                })
            }
        }
    }
}
