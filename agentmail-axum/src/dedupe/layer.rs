use std::sync::Arc;

use agentmail_receive::dedupe::{Claims, Dedupe as Handle};
use tower_layer::Layer;

use super::service::Dedupe;

/// Handles each message once. Put it inside [`VerifyLayer`](crate::VerifyLayer), which provides the
/// verified delivery.
///
/// [`VerifyLayer::dedupe`](crate::VerifyLayer::dedupe) adds both layers. Use `DedupeLayer` itself
/// only to put another layer between them. The [module](crate::dedupe) shows the order.
///
/// # Refuses
///
/// | what happened | status |
/// | --- | --- |
/// | the message was already handled | 200 |
/// | a copy of the message is being handled | 503, with `Retry-After` |
/// | the store is down, slow or full | 503, with `Retry-After` |
/// | no [`VerifyLayer`](crate::VerifyLayer) is outside of this layer | 500, and an error in the log |
///
/// The response has no body, and a [`Refusal`](crate::Refusal) in its extensions.
#[derive(Debug, Clone)]
#[must_use]
pub struct DedupeLayer {
    handle: Handle,
}

impl DedupeLayer {
    /// Creates a layer from claims and a scope.
    ///
    /// `scope` is a namespace for keys. Use a different scope for each route, and for each
    /// environment that shares a store.
    pub fn new(claims: Claims, scope: impl Into<Arc<str>>) -> Self {
        Self { handle: Handle::new(claims, scope) }
    }
}

impl<S> Layer<S> for DedupeLayer {
    type Service = Dedupe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Dedupe::new(inner, self.handle.clone())
    }
}
