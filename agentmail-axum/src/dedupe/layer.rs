use agentmail_receive::Dedupe;
use tower_layer::Layer;

use super::Once;
use crate::{VerifyLayer, layer::Verify};

/// Verifies deliveries, and handles each message once; made by [`VerifyLayer::dedupe`].
///
/// # Refuses
///
/// What [`VerifyLayer`] refuses, and then:
///
/// | what happened | status |
/// | --- | --- |
/// | the message was handled | 200 |
/// | a copy of the message is being handled | 503, with `Retry-After` |
/// | the store is down, slow or full | 503, with `Retry-After` |
///
/// The answer has no body, and a [`Refusal`](crate::Refusal) in its extensions.
#[derive(Debug, Clone)]
#[must_use]
pub struct DedupeLayer {
    verify: VerifyLayer,
    dedupe: Dedupe,
}

impl DedupeLayer {
    pub(crate) fn new(verify: VerifyLayer, dedupe: Dedupe) -> Self {
        Self { verify, dedupe }
    }
}

impl<S> Layer<S> for DedupeLayer {
    type Service = Verify<Once<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.verify.layer(Once::new(inner, self.dedupe.clone()))
    }
}
