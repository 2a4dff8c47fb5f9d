//! Where the verifier of a delivery comes from.

#[cfg(feature = "cache")]
mod cache;
mod failure;
mod file;
mod head;
mod lookup;
mod path;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod source;
mod tenant;

#[cfg(feature = "cache")]
pub use cache::{CacheConfig, CachedLookup, LookupStats};
pub(crate) use failure::Failure;
pub(crate) use file::Change;
pub use file::SecretFile;
#[cfg(feature = "diagnose")]
pub use head::HeaderReader;
pub use head::RequestHead;
pub use lookup::Lookup;
pub(crate) use lookup::LookupFuture;
pub use path::path_segment;
pub(crate) use source::Found;
pub use source::Source;
pub use tenant::Tenant;
