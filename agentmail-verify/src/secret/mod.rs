//! A signing secret, and where it is read from.

#[cfg(feature = "std")]
mod env;
#[cfg(feature = "std")]
mod file;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod secret;
mod text;

#[cfg(feature = "std")]
pub use env::{SecretEnvError, SecretEnvErrorKind};
#[cfg(feature = "std")]
pub use file::{SecretFileError, SecretFileErrorKind};
pub use secret::{Secret, SecretError};
