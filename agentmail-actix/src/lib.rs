#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "dedupe")]
pub mod dedupe;
mod delivery;
mod extract;
mod headers;
pub mod middleware;
mod rejection;

#[cfg(feature = "cache")]
pub use agentmail_receive::CacheConfig;
#[cfg(feature = "dedupe")]
pub use agentmail_receive::{Counts, Key, Memory, Store};
pub use agentmail_receive::{Lookup, Receive, Refusal, RequestHead, Source, Tenant, WebhookConfig};
#[cfg(feature = "redis")]
pub use agentmail_receive::{Redis, RedisError};
pub use agentmail_verify::{
    Clock, Event, Header, Label, LabelError, MailReceived, PayloadError, Receipt, Secret,
    SecretError, SecretFileError, Signature, SignedDelivery, SignedHeaders, Signer, SystemClock,
    Timestamp, Tolerance, ToleranceError, TrustTier, UnixTime, Verification, Verifier,
    VerifierError, VerifyError,
};

#[cfg(feature = "dedupe")]
pub use dedupe::DedupeWebhook;
pub use delivery::Delivery;
pub use extract::{Verified, Webhook};
pub use middleware::VerifyWebhook;
pub use rejection::WebhookRejection;
