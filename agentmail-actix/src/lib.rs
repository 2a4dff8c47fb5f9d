#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(feature = "dedupe")]
pub mod dedupe;
mod delivery;
pub mod extract;
mod headers;
mod lookup;
pub mod middleware;
mod rejection;

#[cfg(feature = "dedupe")]
#[doc(inline)]
pub use dedupe::DedupeWebhook;
pub use delivery::Delivery;
#[doc(inline)]
pub use extract::{Verified, Webhook};
pub use lookup::Lookup;
#[doc(inline)]
pub use middleware::VerifyWebhook;
pub use rejection::WebhookRejection;

/// Keeps the results of a [`Lookup`] in the memory of this process.
///
/// ```
/// use agentmail_actix::{CacheConfig, CachedLookup, Lookup, VerifyWebhook};
///
/// fn cached(lookup: Lookup<String>) -> (CachedLookup<String>, VerifyWebhook) {
///     let cached = lookup.cached(CacheConfig::default());
///     (cached.clone(), VerifyWebhook::new(cached))
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
