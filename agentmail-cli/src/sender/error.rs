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
            ureq::Error::Io(error) if is_not_tls(&error) => {
                Self::no_response("the server does not speak TLS: does its URL begin with http://?")
            }
            other => Self::no_response(other),
        }
    }
}

#[cfg(feature = "tls")]
fn is_not_tls(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(rustls::Error::InvalidMessage(_)))
}

#[cfg(not(feature = "tls"))]
const fn is_not_tls(_: &std::io::Error) -> bool {
    false
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for SendError {}
