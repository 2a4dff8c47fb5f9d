//! Criterion benches; `cargo bench -p agentmail-benches`. Other crates stand beside ours in
//! `benches/peers`, which interleaves them.
#![forbid(unsafe_code)]
