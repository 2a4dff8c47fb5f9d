#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(feature = "dedupe")]
pub mod dedupe;
mod delivery;
mod extract;
mod headers;
pub mod layer;
mod lookup;
mod rejection;
#[cfg(feature = "server")]
pub mod serve;

#[cfg(feature = "dedupe")]
#[doc(inline)]
pub use dedupe::DedupeLayer;
pub use delivery::Delivery;
pub use extract::{Verified, Webhook};
#[doc(inline)]
pub use layer::VerifyLayer;
pub use lookup::Lookup;
pub use rejection::WebhookRejection;
#[cfg(feature = "server")]
#[doc(inline)]
pub use serve::serve;

/// Keeps the results of a [`Lookup`] in the memory of this process.
///
/// ```
/// use agentmail_axum::{CacheConfig, CachedLookup, Lookup, VerifyLayer};
///
/// fn cached(lookup: Lookup<String>) -> (CachedLookup<String>, VerifyLayer) {
///     let cached = lookup.cached(CacheConfig::default());
///     (cached.clone(), VerifyLayer::new(cached))
/// }
///
/// /// Call this when the secrets of an agent have changed in your database.
/// fn on_change(cached: &CachedLookup<String>, agent: &str) {
///     cached.forget(agent);
///     println!("{} stale results used so far", cached.stats().stale);
/// }
/// ```
#[cfg(feature = "cache")]
#[doc(inline)]
pub use agentmail_receive::CachedLookup;
/// Names the cause of a refusal, for development.
#[cfg(feature = "diagnose")]
#[doc(inline)]
pub use agentmail_receive::diagnosis;
#[cfg(feature = "metrics")]
#[doc(inline)]
pub use agentmail_receive::metrics;
#[doc(inline)]
pub use agentmail_receive::{
    Accepted, EventRead, LookedUp, LookupOutcome, MessageKey, Observer, Refusal, RefusalResponse,
    Refused, SecretFile, Source, Tenant, WebhookConfig, path_segment,
};
#[cfg(feature = "cache")]
#[doc(inline)]
pub use agentmail_receive::{CacheConfig, LookupStats};
#[cfg(feature = "diagnose")]
#[doc(inline)]
pub use agentmail_receive::{DiagnosisConfig, SecretText};
#[doc(inline)]
pub use agentmail_verify::{
    Clock, ClockFn, Event, EventTime, Label, LabelError, MailReceived, PayloadError, Receipt,
    Secret, SecretEnvError, SecretEnvErrorKind, SecretError, SecretFileError, SecretFileErrorKind,
    SignedDelivery, SignedHeaders, Signer, SystemClock, Tolerance, ToleranceError, TrustTier,
    UnixTime, Verifier, VerifierError, VerifyError, WebhookHeader, clock_fn,
};
