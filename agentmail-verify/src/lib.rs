#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "event")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

mod clock;
mod error;
#[cfg(feature = "event")]
mod event;
mod header;
mod label;
mod mac;
#[cfg(feature = "event")]
mod payload;
mod receipt;
mod secret;
mod sign;
mod signature;
mod timestamp;
mod tolerance;
#[cfg(test)]
mod vectors;
mod verification;
mod verifier;

#[cfg(feature = "std")]
pub use clock::SystemClock;
pub use clock::{Clock, UnixTime};
pub use error::VerifyError;
#[cfg(feature = "event")]
pub use event::{Event, MailReceived, TrustTier};
pub use header::{Header, SignedHeaders};
pub use label::{Label, LabelError};
#[cfg(feature = "event")]
pub use payload::{PayloadError, from_json};
pub use receipt::Receipt;
#[cfg(feature = "std")]
pub use secret::SecretFileError;
pub use secret::{Secret, SecretError};
pub use sign::{SignedDelivery, Signer};
pub use signature::Signature;
pub use timestamp::Timestamp;
pub use tolerance::{Tolerance, ToleranceError};
pub use verification::Verification;
pub use verifier::{Verifier, VerifierError};
