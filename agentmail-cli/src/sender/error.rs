use std::{error::Error, fmt};

/// Why there is no response to a delivery.
#[derive(Debug)]
pub struct SendError {
    kind: SendErrorKind,
    reason: String,
}

/// What kind of error a [`SendError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// The URL or a header cannot be used.
    Request,
    /// The receiver cannot be reached.
    Unreachable,
    /// The receiver did not respond.
    NoResponse,
}

impl SendError {
    /// Returns what kind of error it is.
    #[must_use]
    pub const fn kind(&self) -> SendErrorKind {
        self.kind
    }

    pub(crate) fn request(reason: impl fmt::Display) -> Self {
        Self { kind: SendErrorKind::Request, reason: reason.to_string() }
    }

    pub(crate) fn unreachable(reason: impl fmt::Display) -> Self {
        Self { kind: SendErrorKind::Unreachable, reason: reason.to_string() }
    }

    pub(crate) fn no_response(reason: impl fmt::Display) -> Self {
        Self { kind: SendErrorKind::NoResponse, reason: reason.to_string() }
    }
}

impl SendError {
    /// Not an `impl From`, which would put a type of another crate into the interface.
    pub(super) fn of_client(error: ureq::Error) -> Self {
        match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => Self::request(error),
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => Self::unreachable(error),
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Self::unreachable("the connection was refused: is the receiver running?")
            }
            other => Self::no_response(other),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for SendError {}
