//! Sends deliveries, genuine ones and ones with a fault.

mod connection;
mod error;
mod fault;
mod raw;
mod request;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod sender;
mod target;

#[cfg(feature = "cli")]
pub(crate) use connection::{Connection, Protocol};
pub use error::{SendError, SendErrorKind};
pub use fault::Fault;
#[cfg(feature = "cli")]
pub(crate) use request::Request;
#[cfg(feature = "cli")]
pub(crate) use sender::Trust;
pub use sender::{Response, Sender};
#[cfg(feature = "cli")]
pub(crate) use target::Target;

/// The example payload of the vendor's guide.
pub const SAMPLE: &str = include_str!("../sample.json");
