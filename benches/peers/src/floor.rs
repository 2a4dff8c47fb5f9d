//! The lower limit: the compressions of an HMAC-SHA256 with a cached key state.

use std::hint::black_box;

use sha2::block_api::compress256;

/// Returns the number of compressions. `<timestamp>.` has 11 bytes and the padding 9, and the outer
/// hash is one more compression.
pub fn compressions(body: usize) -> usize {
    (body + 11 + 9).div_ceil(64) + 1
}

/// Compresses contiguous blocks.
pub fn run(blocks: &[[u8; 64]], state: &mut [u32; 8]) {
    compress256(black_box(state), black_box(blocks));
}

/// Returns whether this processor has SHA instructions, by the flags that the kernel reports.
pub fn sha_instructions() -> &'static str {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    match cpu.split_whitespace().any(|flag| flag == "sha_ni" || flag == "sha2") {
        true => "yes",
        false => "no, or unknown",
    }
}
