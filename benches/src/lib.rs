//! Criterion benches. Run them with `cargo bench -p agentmail-benches`.
//!
//! `benches/peers` compares our crates with others.
#![forbid(unsafe_code)]
