use std::{fmt, path::Path};

use agentmail_receive::diagnosis::SecretTextError;
use agentmail_verify::SecretError;

use super::exit::Exit;
use crate::sender::{SendError, SendErrorKind};

/// Why a command ends before it has done its work.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn usage(reason: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, reason: reason.to_string() }
    }

    pub(super) fn input(reason: impl fmt::Display) -> Self {
        Self { exit: Exit::BadInput, reason: reason.to_string() }
    }

    pub(super) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::input(format!("{}: {error}", path.display()))
    }

    pub(super) fn unreachable(reason: impl fmt::Display) -> Self {
        Self { exit: Exit::Unreachable, reason: reason.to_string() }
    }

    pub(super) fn secret(error: SecretError) -> Self {
        Self::input(error)
    }

    pub(super) fn output(error: std::io::Error) -> Self {
        Self::input(format!("the output cannot be written: {error}"))
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error.kind() {
            SendErrorKind::Request => Self::usage(error),
            _ => Self::unreachable(error),
        }
    }
}

impl From<SecretTextError> for Failure {
    fn from(error: SecretTextError) -> Self {
        Self::input(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
