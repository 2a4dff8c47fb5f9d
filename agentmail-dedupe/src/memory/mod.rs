//! Claims in the memory of this process.

mod entries;
mod store;

pub use store::MemoryStore;
