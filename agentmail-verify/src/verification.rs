use core::fmt;

use crate::{
    Label, Receipt, Secret, Signature, SignedHeaders, UnixTime, Verifier, VerifyError, mac::Mac,
};

/// A verification whose body arrives in pieces.
///
/// It owns its state and can be kept across an await. Each piece is hashed once per accepted secret,
/// since none can be tried again later: with the whole body at hand, [`Verifier::verify`] does less.
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
        let mut begun = secrets.map(|secret| Candidate {
            mac: secret.begin(headers.timestamp()),
            label: secret.label(),
        });
        Self {
            candidates: core::array::from_fn(|_| begun.next()),
            signature: *headers.signature(),
            signed_at: headers.timestamp().time(),
        }
    }

    /// Takes the next piece of the body.
    pub fn update(&mut self, piece: &[u8]) {
        for candidate in self.candidates.iter_mut().flatten() {
            candidate.mac.update(piece);
        }
    }

    /// Decides, once the whole body has been taken.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Mismatch`].
    pub fn finish(self) -> Result<Receipt, VerifyError> {
        let Self { candidates, signature, signed_at } = self;
        candidates
            .into_iter()
            .flatten()
            .find_map(|Candidate { mac, label }| {
                signature.matches(&mac.finish()).then(|| Receipt::new(signed_at, label))
            })
            .ok_or(VerifyError::Mismatch)
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").field("signed_at", &self.signed_at).finish_non_exhaustive()
    }
}
