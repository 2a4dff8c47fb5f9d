use agentmail_verify::{Tolerance, Verifier};

use super::secret_text::SecretText;

/// The secrets that a diagnosis tries.
///
/// # Defaults
///
/// No secret, and a [`Tolerance`] of 300 seconds on both sides.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct DiagnosisSecrets {
    verifier: Option<Verifier>,
    texts: Vec<SecretText>,
    other_texts: Vec<SecretText>,
    tolerance: Option<Tolerance>,
}

impl DiagnosisSecrets {
    /// Starts without secrets. A diagnosis then looks at the request only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the secrets of a verifier, and uses its tolerance. Their text is not known, so only
    /// changes of the body are tried with them.
    pub fn with_verifier(self, verifier: Verifier) -> Self {
        Self { verifier: Some(verifier), ..self }
    }

    /// Adds a secret that the receiver accepts, as text. Call it once for each.
    pub fn with_text(mut self, text: SecretText) -> Self {
        self.texts.push(text);
        self
    }

    /// Adds a secret that the receiver does not accept: an old one, or the one of another
    /// environment. If the signature was made with it, the diagnosis says so.
    pub fn with_other_text(mut self, text: SecretText) -> Self {
        self.other_texts.push(text);
        self
    }

    /// Sets how old a delivery may be, and how far ahead. It replaces that of the verifier.
    pub fn with_tolerance(self, tolerance: Tolerance) -> Self {
        Self { tolerance: Some(tolerance), ..self }
    }

    pub(super) const fn verifier(&self) -> Option<&Verifier> {
        self.verifier.as_ref()
    }

    pub(super) fn texts(&self) -> &[SecretText] {
        &self.texts
    }

    pub(super) fn other_texts(&self) -> &[SecretText] {
        &self.other_texts
    }

    pub(super) fn tolerance(&self) -> Tolerance {
        let of_verifier = || self.verifier.as_ref().map(Verifier::tolerance);
        self.tolerance.or_else(of_verifier).unwrap_or_default()
    }
}
