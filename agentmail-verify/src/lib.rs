#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(feature = "event")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod clock;
mod error;
#[cfg(feature = "event")]
mod event;
#[cfg(feature = "event")]
mod field_name;
mod header;
mod label;
mod mac;
#[cfg(feature = "event")]
mod payload;
#[cfg(feature = "event")]
mod readable;
mod receipt;
mod secret;
mod setup_error;
mod sign;
mod signature;
mod timestamp;
mod tolerance;
mod unix_time;
mod verification;
mod verifier;

#[cfg(feature = "std")]
pub use clock::SystemClock;
pub use clock::{Clock, ClockFn, clock_fn};
pub use error::VerifyError;
#[cfg(feature = "event")]
pub use event::{Event, EventTime, MailReceived, TrustTier};
pub use header::{SignedHeaders, WebhookHeader};
pub use label::{Label, LabelError};
#[cfg(feature = "event")]
pub use payload::{PayloadError, from_json};
pub use receipt::Receipt;
pub use secret::{Secret, SecretError};
#[cfg(feature = "std")]
pub use secret::{SecretEnvError, SecretEnvErrorKind, SecretFileError, SecretFileErrorKind};
pub use sign::{SignedDelivery, Signer};
pub use tolerance::{Tolerance, ToleranceError};
pub use unix_time::UnixTime;
pub use verification::Verification;
pub use verifier::{Verifier, VerifierError};
