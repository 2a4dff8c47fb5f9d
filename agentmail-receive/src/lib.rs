#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod body;
mod buffer;
mod config;
#[cfg(feature = "dedupe")]
pub mod dedupe;
mod delivery;
#[cfg(feature = "diagnose")]
pub mod diagnosis;
mod discard;
mod identity;
mod log_limit;
mod message_key;
#[cfg(feature = "metrics")]
pub mod metrics;
mod observer;
mod origin;
mod receive;
mod refusal;
mod rejection;
mod response;
mod source;
mod telemetry;

pub use config::WebhookConfig;
pub use delivery::Delivery;
#[cfg(feature = "diagnose")]
#[doc(inline)]
pub use diagnosis::{DiagnosisConfig, SecretText};
pub use message_key::MessageKey;
pub use observer::{Accepted, EventRead, LookedUp, LookupOutcome, Observer, Refused};
pub use receive::Receive;
pub use refusal::Refusal;
pub use rejection::Rejection;
pub use response::RefusalResponse;
#[cfg(feature = "diagnose")]
pub use source::HeaderReader;
#[cfg(feature = "cache")]
pub use source::{CacheConfig, CachedLookup, LookupStats};
pub use source::{Lookup, RequestHead, SecretFile, Source, Tenant, path_segment};
