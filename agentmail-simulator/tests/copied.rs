//! The tests that the simulator writes for "copy as a Rust test": they compile, and they pass.
//!
//! `src/explain/rust_test.rs` compares them with what is written now.

mod copied {
    mod forged;
    mod genuine;
    mod oversized;
    mod recoded_body;
    mod stale;
    mod truncated;
    mod unsigned;
}
