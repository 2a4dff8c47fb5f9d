use std::sync::Arc;

use agentmail_verify::Verifier;

/// Where the verifier of a delivery comes from.
#[derive(Debug, Clone)]
pub struct Source(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Fixed(Arc<Verifier>),
}

impl Source {
    /// Uses the same verifier for every delivery.
    #[must_use]
    pub fn fixed(verifier: impl Into<Arc<Verifier>>) -> Self {
        Self(Kind::Fixed(verifier.into()))
    }

    pub(crate) fn verifier(&self) -> &Arc<Verifier> {
        match &self.0 {
            Kind::Fixed(verifier) => verifier,
        }
    }
}

impl From<Verifier> for Source {
    fn from(verifier: Verifier) -> Self {
        Self::fixed(verifier)
    }
}

impl From<Arc<Verifier>> for Source {
    fn from(verifier: Arc<Verifier>) -> Self {
        Self::fixed(verifier)
    }
}
