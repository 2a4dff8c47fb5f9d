//! Once-only handling: a claim around the handler, so that copies of a message are handled once.
//!
//! Deliveries come at least once: a sender repeats what was not answered 2xx, networks repeat, and a
//! recorded delivery can be replayed while it is fresh. A [`Dedupe`] claims a message before its
//! handler runs, and then records it as handled, or frees it again:
//!
//! | the message is | the answer | the handler |
//! | --- | --- | --- |
//! | new | the handler's; 2xx records it as handled, anything else frees it | runs |
//! | handled | 200 | does not run |
//! | being handled | 503 with `Retry-After`, `in_flight` | does not run |
//! | not to be claimed, the store being down, slow or full | 503 with `Retry-After`, `store_unavailable` | does not run |
//!
//! # What is promised
//!
//! At least once, with duplicates suppressed: never "exactly once". A claim is a lease that its
//! [`Store`] renews while the handler runs, so that a crashed process frees it by expiry. **A crash
//! between the handler's effect and the record of it repeats the message**; so does a store that has
//! lost its data. What must not happen twice even then belongs into one transaction with the
//! message's identity, in your own database.
//!
//! A streaming answer counts as answered when its head is.
//!
//! # What a message is
//!
//! The payload's `type`, `agent_id` and `message_id`, under a scope that you name; a payload without
//! the three is known by its bytes. See [`Key`].

mod backend;
mod claim;
mod counts;
mod error;
mod keeper;
mod key;
mod memory;
mod once;
mod owner;
#[cfg(feature = "redis")]
mod redis;
mod settings;
mod store;

pub use backend::{Backend, BackendError, BackendResult, Claimed, Holding};
pub use claim::Claim;
pub use counts::Counts;
pub use error::StoreError;
pub use key::Key;
pub use memory::Memory;
pub use once::Dedupe;
pub use owner::Owner;
#[cfg(feature = "redis")]
pub use redis::{Redis, RedisError};
pub use settings::LeaseError;
pub use store::Store;
