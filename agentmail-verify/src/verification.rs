use core::fmt;

use crate::{
    error::VerifyError, header::SignedHeaders, label::Label, mac::Mac, receipt::Receipt,
    secret::Secret, signature::Signature, unix_time::UnixTime, verifier::Verifier,
};

/// A verification whose body arrives in pieces.
///
/// It owns its state and can be kept across an await. Each piece is hashed once for each accepted
/// secret, because the pieces are not kept for a second try. If the whole body is in memory, use
/// [`Verifier::verify`], which hashes less.
#[derive(Clone)]
#[must_use]
pub struct Verification {
    candidates: [Option<Candidate>; Verifier::MAX_SECRETS],
    signature: Signature,
    signed_at: UnixTime,
}

#[derive(Clone)]
struct Candidate {
    mac: Mac,
    label: Label,
}

impl Verification {
    pub(crate) fn new<'a>(
        headers: &SignedHeaders,
        secrets: impl Iterator<Item = &'a Secret>,
    ) -> Self {
        let mut candidates = [const { None }; Verifier::MAX_SECRETS];
        for (slot, secret) in candidates.iter_mut().zip(secrets) {
            let mac = secret.begin(headers.timestamp());
            *slot = Some(Candidate { mac, label: secret.label() });
        }
        Self { candidates, signature: *headers.signature(), signed_at: headers.signed_at() }
    }

    /// Takes the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        for candidate in self.candidates.iter_mut().flatten() {
            candidate.mac.update(piece);
        }
    }

    /// Compares the signature with what was hashed. Call it after the last piece of the body.
    ///
    /// # Errors
    ///
    /// Fails with [`VerifyError::Mismatch`] if none of the accepted secrets made the signature.
    pub fn finish(mut self) -> Result<Receipt, VerifyError> {
        let Self { candidates, signature, signed_at } = &mut self;
        candidates
            .iter_mut()
            .flatten()
            .find_map(|Candidate { mac, label }| {
                signature.matches(&mac.finish()).then(|| Receipt::new(*signed_at, *label))
            })
            .ok_or(VerifyError::Mismatch)
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").field("signed_at", &self.signed_at).finish_non_exhaustive()
    }
}
