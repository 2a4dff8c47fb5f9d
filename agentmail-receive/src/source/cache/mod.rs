//! A lookup whose results are kept.

mod cached_lookup;
mod config;
mod flight;
mod lanes;
mod outage;
mod results;
mod stats;

pub use cached_lookup::CachedLookup;
pub use config::CacheConfig;
pub use stats::LookupStats;
