use core::fmt;
use std::{borrow::ToOwned, env, string::String};

use zeroize::Zeroizing;

use crate::{
    secret::{Secret, SecretError},
    setup_error::setup_error,
};

impl Secret {
    /// Reads the secret from an environment variable. Its text is the key, as in [`Secret::new`].
    ///
    /// This function wipes its own copy of the text. The variable itself stays in the environment
    /// of the process: [`Secret::from_file`] leaves no such copy.
    ///
    /// ```no_run
    /// # use agentmail_verify::Secret;
    /// let secret = Secret::from_env("WEBHOOK_SIGNING_SECRET")?;
    /// # Ok::<(), agentmail_verify::SecretEnvError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the variable is not set, or if its value cannot be a secret, for example because it
    /// is not UTF-8. The error names the variable and the cause, never the text.
    pub fn from_env(name: &str) -> Result<Self, SecretEnvError> {
        read(name).map_err(|kind| SecretEnvError { name: name.to_owned(), kind })
    }
}

/// Why an environment variable cannot be used as a secret. It names the variable and the cause,
/// never the text.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretEnvError {
    name: String,
    kind: SecretEnvErrorKind,
}

impl SecretEnvError {
    /// Returns the name of the variable.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the cause.
    #[must_use]
    pub const fn kind(&self) -> SecretEnvErrorKind {
        self.kind
    }
}

impl fmt::Display for SecretEnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        match &self.kind {
            SecretEnvErrorKind::NotSet => f.write_str("the environment variable is not set"),
            SecretEnvErrorKind::NotASecret(error) => error.fmt(f),
        }
    }
}

setup_error!(SecretEnvError);

/// The cause of a [`SecretEnvError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretEnvErrorKind {
    /// The variable is not set.
    NotSet,
    /// The value is not a valid secret.
    NotASecret(SecretError),
}

fn read(name: &str) -> Result<Secret, SecretEnvErrorKind> {
    let value = env::var_os(name).ok_or(SecretEnvErrorKind::NotSet)?;
    let bytes = Zeroizing::new(value.into_encoded_bytes());
    // The encoding is a superset of UTF-8 on every platform.
    Secret::new(&bytes).map_err(SecretEnvErrorKind::NotASecret)
}
