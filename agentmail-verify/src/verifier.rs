use core::fmt;

use crate::{
    error::VerifyError, header::SignedHeaders, label::Label, receipt::Receipt, secret::Secret,
    setup_error::setup_error, tolerance::Tolerance, unix_time::UnixTime,
    verification::Verification,
};

/// Verifies deliveries. It contains the accepted secrets, and the [`Tolerance`] for timestamps.
///
/// A verification does not allocate, and does not copy the body. The key state of each secret is
/// computed only once, by [`Secret::new`]. If the first secret matches, each byte of the body is
/// hashed once.
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

    /// Accepts one more secret, for example during a rotation. Secrets are tried in the order in
    /// which they were added: add the current one first.
    ///
    /// ```
    /// # use agentmail_verify::{Label, Secret, Verifier};
    /// let new = Secret::new("the secret of the rotation")?.with_label(Label::new("2026-11")?);
    /// let old = Secret::new("the secret before it")?.with_label(Label::new("2026-05")?);
    /// let verifier = Verifier::new(new).with_secret(old)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if four secrets are accepted already. Fails if one of them has the same label, because
    /// a log could not tell the two apart.
    pub fn with_secret(self, secret: Secret) -> Result<Self, VerifierError> {
        self.with_secret_until(secret, UnixTime::MAX)
    }

    /// Accepts one more secret until `end`. The second `end` is included. After that, a signature
    /// of this secret is a [`VerifyError::Mismatch`]. `end` is compared with the `now` that is
    /// given to [`verify`](Self::verify).
    ///
    /// Use it for the old secret after a rotation. The first secret has no end, so that a verifier
    /// always accepts at least one secret.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # use agentmail_verify::{Label, Secret, UnixTime, Verifier};
    ///
    /// let now = UnixTime::from_secs(1_700_000_000);
    /// let new = Secret::new("the secret of the rotation")?.with_label(Label::new("2026-11")?);
    /// let old = Secret::new("the secret before it")?.with_label(Label::new("2026-05")?);
    /// let end = now.saturating_add(Duration::from_secs(600));
    /// let verifier = Verifier::new(new).with_secret_until(old, end)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails in the same cases as [`with_secret`](Self::with_secret).
    pub fn with_secret_until(
        mut self,
        secret: Secret,
        end: UnixTime,
    ) -> Result<Self, VerifierError> {
        if self.labels().any(|accepted| accepted == secret.label()) {
            return Err(VerifierError::DuplicateLabel);
        }
        let free = self.others.iter_mut().find(|slot| slot.is_none());
        *free.ok_or(VerifierError::TooManySecrets)? = Some(Other { secret, end });
        Ok(self)
    }

    /// Sets how old a delivery may be, and how far ahead of the receiver's clock.
    pub const fn with_tolerance(mut self, tolerance: Tolerance) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// Returns how old a delivery may be, and how far ahead of the receiver's clock.
    #[must_use]
    pub const fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    /// Returns the labels of the secrets, in the order in which they are tried. A secret whose end
    /// has passed is included.
    ///
    /// ```
    /// # use agentmail_verify::{Label, Secret, Verifier};
    /// let verifier = Verifier::new(Secret::new("whsec_test_secret")?);
    ///
    /// assert!(verifier.labels().eq([Label::default()]));
    /// # Ok::<(), agentmail_verify::SecretError>(())
    /// ```
    pub fn labels(&self) -> impl Iterator<Item = Label> {
        let others = self.others.iter().flatten().map(|other| &other.secret);
        core::iter::once(&self.first).chain(others).map(Secret::label)
    }

    /// Verifies a delivery whose whole body is in memory.
    ///
    /// ```
    /// # use agentmail_verify::{Secret, Signer, SignedHeaders, UnixTime, Verifier};
    /// let now = UnixTime::from_secs(1_700_000_000);
    /// let body = br#"{"type":"mail.received"}"#;
    /// let delivery = Signer::new(Secret::new("whsec_test_secret")?).sign(now, body);
    ///
    /// let headers = SignedHeaders::parse(|header| delivery.value(header))?;
    /// let receipt = Verifier::new(Secret::new("whsec_test_secret")?).verify(&headers, body, now)?;
    ///
    /// assert_eq!(receipt.signed_at(), now);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`VerifyError::Stale`] or [`VerifyError::TooFarAhead`], both before the body is
    /// read, or with [`VerifyError::Mismatch`].
    #[inline]
    pub fn verify(
        &self,
        headers: &SignedHeaders,
        body: &[u8],
        now: UnixTime,
    ) -> Result<Receipt, VerifyError> {
        let (timestamp, signature) = (headers.timestamp(), headers.signature());
        self.tolerance.check(headers.signed_at(), now)?;

        self.secrets(now)
            .find(|secret| signature.matches(&secret.mac(timestamp, body)))
            .map(|secret| Receipt::new(headers.signed_at(), secret.label()))
            .ok_or(VerifyError::Mismatch)
    }

    /// Begins to verify a delivery whose body arrives in pieces.
    ///
    /// # Errors
    ///
    /// Fails with [`VerifyError::Stale`] or [`VerifyError::TooFarAhead`].
    pub fn begin(
        &self,
        headers: &SignedHeaders,
        now: UnixTime,
    ) -> Result<Verification, VerifyError> {
        self.tolerance.check(headers.signed_at(), now)?;
        Ok(Verification::new(headers, self.secrets(now)))
    }

    /// Returns the secrets that are accepted at this time, in the order in which they are tried.
    fn secrets(&self, now: UnixTime) -> impl Iterator<Item = &Secret> {
        let others = self.others.iter().flatten().filter(move |other| now <= other.end);
        core::iter::once(&self.first).chain(others.map(|other| &other.secret))
    }
}

/// Shows the labels of the secrets, and nothing else of them.
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
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifierError {
    /// [`Verifier::MAX_SECRETS`] secrets are accepted already.
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

setup_error!(VerifierError);

#[cfg(test)]
mod tests {
    use std::{
        format,
        string::{String, ToString},
        vec::Vec,
    };

    use super::*;

    fn secret(label: &str) -> Secret {
        Secret::new(format!("secret of {label}")).unwrap().with_label(label.parse().unwrap())
    }

    #[test]
    fn accepts_four_secrets_and_refuses_a_fifth() {
        let four =
            ["b", "c", "d"].into_iter().try_fold(Verifier::new(secret("a")), |verifier, label| {
                verifier.with_secret(secret(label))
            });
        let four = four.unwrap();
        let labels: Vec<_> = four.labels().map(|label| label.to_string()).collect();
        assert_eq!(labels, ["a", "b", "c", "d"]);

        let fifth = four.with_secret(secret("e"));

        let error = fifth.unwrap_err();
        assert_eq!(error, VerifierError::TooManySecrets);
        assert_eq!(error.to_string(), "four secrets are accepted already");
    }

    #[test]
    fn rejects_two_secrets_of_one_label() {
        let verifier = Verifier::new(secret("a")).with_secret(secret("b")).unwrap();

        let error = verifier.with_secret(secret("b")).unwrap_err();
        assert_eq!(error, VerifierError::DuplicateLabel);
        assert!(error.to_string().contains("with_label"), "{error}");
    }

    #[test]
    fn debug_shows_labels_and_tolerance() {
        let shown: String =
            format!("{:?}", Verifier::new(secret("new")).with_secret(secret("old")).unwrap());

        assert_eq!(
            shown,
            "Verifier { secrets: [\"new\", \"old\"], \
             tolerance: Tolerance { max_age: 300s, max_ahead: 300s } }"
        );
    }
}
