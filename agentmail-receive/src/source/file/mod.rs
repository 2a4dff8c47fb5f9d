//! A secret in a file, which is loaded again while the receiver runs.

mod proof;
mod reader;
mod rotation;
mod secret_file;

pub(super) use proof::Proof;
pub(super) use reader::Reloaded;
pub(crate) use rotation::Change;
pub use secret_file::SecretFile;
