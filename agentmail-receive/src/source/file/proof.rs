use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use agentmail_verify::Label;

/// Whether a secret has verified a delivery since it was loaded. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Proof {
    label: Label,
    verified: Arc<AtomicBool>,
}

impl Proof {
    pub(super) fn new(label: Label) -> Self {
        Self { label, verified: Arc::default() }
    }

    pub(super) fn label(&self) -> Label {
        self.label
    }

    pub(super) fn has_verified(&self) -> bool {
        self.verified.load(Ordering::Relaxed)
    }

    /// Records a delivery that the secret with this label has verified.
    pub(crate) fn record(proofs: &[Self], label: Label) {
        let proof = proofs.iter().find(|proof| proof.label == label);
        // Loaded first: a store takes the cache line away from the other threads.
        if let Some(proof) = proof.filter(|proof| !proof.has_verified()) {
            proof.verified.store(true, Ordering::Relaxed);
        }
    }
}
