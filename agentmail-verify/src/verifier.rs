use core::{error::Error, fmt};

use crate::{
    Label, Receipt, Secret, SignedHeaders, Tolerance, UnixTime, Verification, VerifyError,
};

/// Decides whether a delivery is genuine: the accepted secrets, and how old a delivery may be.
///
/// Nothing is re-keyed, allocated or copied per delivery, and each byte of the body is hashed once
/// when the first secret matches.
#[derive(Clone)]
#[must_use]
pub struct Verifier {
    first: Secret,
    others: [Option<Other>; Self::MAX_SECRETS - 1],
    tolerance: Tolerance,
}

/// A secret beside the first, and the last second in which it is accepted.
#[derive(Clone)]
struct Other {
    secret: Secret,
    end: UnixTime,
}

impl Verifier {
    /// The largest number of secrets accepted at once.
    pub const MAX_SECRETS: usize = 4;

    /// Accepts one secret, with the default [`Tolerance`] of 300 seconds on both sides.
    pub fn new(secret: Secret) -> Self {
        Self { first: secret, others: [const { None }; _], tolerance: Tolerance::default() }
    }

    /// Accepts one more secret, as a rotation needs it. Secrets are tried in the order given: put
    /// the one in use first.
    ///
    /// ```
    /// use agentmail_verify::{Secret, Verifier};
    ///
    /// let new = Secret::new("the secret of the rotation")?.with_label("2026-11")?;
    /// let old = Secret::new("the secret before it")?.with_label("2026-05")?;
    /// let verifier = Verifier::new(new).accept(old)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Four secrets are accepted already, or one of them has the same label, so that a log could not
    /// tell the two apart.
    pub fn accept(self, secret: Secret) -> Result<Self, VerifierError> {
        self.accept_until(secret, END_OF_TIME)
    }

    /// Accepts one more secret, to the end of the second named, by the clock that freshness is
    /// judged by. From the next second on it no longer matches: [`VerifyError::Mismatch`].
    ///
    /// For the secret before a rotation. The first secret has no end, so that none is left without
    /// one.
    ///
    /// ```
    /// use agentmail_verify::{Secret, UnixTime, Verifier};
    ///
    /// let now = UnixTime::from_secs(1_700_000_000); // when the new secret is taken over
    /// let new = Secret::new("the secret of the rotation")?.with_label("2026-11")?;
    /// let old = Secret::new("the secret before it")?.with_label("2026-05")?;
    /// let verifier = Verifier::new(new).accept_until(old, UnixTime::from_secs(now.as_secs() + 600))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`accept`](Self::accept).
    pub fn accept_until(mut self, secret: Secret, end: UnixTime) -> Result<Self, VerifierError> {
        if self.labels().any(|accepted| accepted == secret.label()) {
            return Err(VerifierError::DuplicateLabel);
        }
        let free = self.others.iter_mut().find(|slot| slot.is_none());
        *free.ok_or(VerifierError::TooManySecrets)? = Some(Other { secret, end });
        Ok(self)
    }

    /// Sets how old a delivery may be, and how far ahead of our clock.
    pub const fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Returns how old a delivery may be, and how far ahead of our clock.
    #[must_use]
    pub const fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    /// Verifies a delivery whose body is at hand, in one piece.
    ///
    /// ```
    /// use agentmail_verify::{Secret, Signer, SignedHeaders, UnixTime, Verifier};
    ///
    /// let now = UnixTime::from_secs(1_700_000_000);
    /// let body = br#"{"type":"mail.received"}"#;
    /// let delivery = Signer::new(Secret::new("whsec_test_secret")?).sign(now, body);
    ///
    /// let headers = SignedHeaders::read(|header| delivery.lines(header))?;
    /// let receipt = Verifier::new(Secret::new("whsec_test_secret")?).verify(&headers, body, now)?;
    ///
    /// assert_eq!(receipt.signed_at(), now);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`VerifyError::Stale`], [`VerifyError::TooFarAhead`] (both before the body is looked at) or
    /// [`VerifyError::Mismatch`].
    #[inline]
    pub fn verify(
        &self,
        headers: &SignedHeaders,
        body: &[u8],
        now: UnixTime,
    ) -> Result<Receipt, VerifyError> {
        let (timestamp, signature) = (headers.timestamp(), headers.signature());
        self.tolerance.check(timestamp.time(), now)?;

        self.secrets(now)
            .find(|secret| signature.matches(&secret.mac(timestamp, body)))
            .map(|secret| Receipt::new(timestamp.time(), secret.label()))
            .ok_or(VerifyError::Mismatch)
    }

    /// Begins to verify a delivery whose body arrives in pieces.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Stale`] or [`VerifyError::TooFarAhead`].
    pub fn begin(
        &self,
        headers: &SignedHeaders,
        now: UnixTime,
    ) -> Result<Verification, VerifyError> {
        self.tolerance.check(headers.timestamp().time(), now)?;
        Ok(Verification::new(headers, self.secrets(now)))
    }

    /// Returns the secrets that count at this time, in the order given.
    fn secrets(&self, now: UnixTime) -> impl Iterator<Item = &Secret> {
        let others = self.others.iter().flatten().filter(move |other| now <= other.end);
        core::iter::once(&self.first).chain(others.map(|other| &other.secret))
    }

    fn labels(&self) -> impl Iterator<Item = Label> {
        let others = self.others.iter().flatten().map(|other| &other.secret);
        core::iter::once(&self.first).chain(others).map(Secret::label)
    }
}

const END_OF_TIME: UnixTime = UnixTime::from_secs(u64::MAX);

/// Shows the labels of the accepted secrets, and nothing else of them.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Labels<'a>(&'a Verifier);
        impl fmt::Debug for Labels<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.0.labels()).finish()
            }
        }

        f.debug_struct("Verifier")
            .field("secrets", &Labels(self))
            .field("tolerance", &self.tolerance)
            .finish()
    }
}

/// Why a verifier cannot accept one more secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifierError {
    /// [`Verifier::MAX_SECRETS`] are accepted already.
    TooManySecrets,
    /// An accepted secret has the same label.
    DuplicateLabel,
}

impl fmt::Display for VerifierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooManySecrets => "four secrets are accepted already",
            Self::DuplicateLabel => {
                "two secrets have the same label: name each with `Secret::with_label`"
            }
        })
    }
}

impl Error for VerifierError {}

#[cfg(test)]
mod tests {
    use std::{
        format,
        string::{String, ToString},
    };

    use super::*;

    fn secret(label: &str) -> Secret {
        Secret::new(format!("secret of {label}")).unwrap().with_label(label).unwrap()
    }

    #[test]
    fn accepts_four_secrets_and_refuses_a_fifth() {
        let four = ["b", "c", "d"]
            .into_iter()
            .try_fold(Verifier::new(secret("a")), |verifier, label| verifier.accept(secret(label)));

        let fifth = four.unwrap().accept(secret("e"));

        let error = fifth.unwrap_err();
        assert_eq!(error, VerifierError::TooManySecrets);
        assert_eq!(error.to_string(), "four secrets are accepted already");
    }

    #[test]
    fn rejects_two_secrets_of_one_label() {
        let verifier = Verifier::new(secret("a")).accept(secret("b")).unwrap();

        let error = verifier.accept(secret("b")).unwrap_err();
        assert_eq!(error, VerifierError::DuplicateLabel);
        assert!(error.to_string().contains("with_label"), "{error}");
    }

    #[test]
    fn debug_shows_labels_and_tolerance() {
        let shown: String =
            format!("{:?}", Verifier::new(secret("new")).accept(secret("old")).unwrap());

        assert_eq!(
            shown,
            r#"Verifier { secrets: ["new", "old"], tolerance: Tolerance { max_age: 300s, max_ahead: 300s } }"#
        );
    }
}
