use agentmail_receive::WebhookConfig;
use tower_layer::Layer;

use super::service::Verify;
#[cfg(feature = "dedupe")]
use crate::dedupe::{Claims, DedupeLayer};

/// Verifies each delivery before the layers and the handler inside it run. The
/// [module](crate::layer) has examples.
///
/// # Refuses
///
/// | what happened | status |
/// | --- | --- |
/// | a header is missing, duplicated or malformed | 403 |
/// | the request says that the service has no signing secret (`X-AgentMail-Unsigned: 1`) | 403 |
/// | the timestamp is too old or too far ahead | 403 |
/// | the signature does not match: another secret, a changed body, or a forged delivery | 403 |
/// | the [`Lookup`](crate::Lookup) finds no secrets for the request | 403 |
/// | the secrets belong to one agent ([`Tenant`](crate::Tenant)), and the payload names another agent | 403 |
/// | the [`Lookup`](crate::Lookup) fails, takes too long, or there are too many lookups | 503 |
/// | the body is longer than [`body_limit`](WebhookConfig::with_body_limit) | 413 |
/// | the body is not complete within [`body_timeout`](WebhookConfig::with_body_timeout) | 408 |
/// | the body ends early | 400 |
/// | the secrets belong to one agent, and the payload is a mail that names no agent, or is not a JSON object | 422 |
///
/// The response has no body, and a [`Refusal`](crate::Refusal) in its extensions.
#[derive(Debug, Clone)]
#[must_use]
pub struct VerifyLayer {
    config: WebhookConfig,
}

impl VerifyLayer {
    /// Creates a layer from a configuration, or from a [`Verifier`](crate::Verifier) alone.
    pub fn new(config: impl Into<WebhookConfig>) -> Self {
        Self { config: config.into() }
    }

    /// Adds a [`DedupeLayer`] inside this layer, so that each message is handled once.
    ///
    /// `scope` is a namespace for keys. Use a different scope for each route, and for each
    /// environment that shares a store.
    #[cfg(feature = "dedupe")]
    pub fn dedupe(
        self,
        claims: Claims,
        scope: impl Into<std::sync::Arc<str>>,
    ) -> tower_layer::Stack<DedupeLayer, Self> {
        tower_layer::Stack::new(DedupeLayer::new(claims, scope), self)
    }
}

impl<S> Layer<S> for VerifyLayer {
    type Service = Verify<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Verify::new(inner, self.config.clone())
    }
}
