//! The physical limit: the compressions of HMAC-SHA256 whose key state is cached.

use std::hint::black_box;

use sha2::block_api::compress256;

/// `<timestamp>.` is 11 bytes, the padding 9; the outer hash is one compression more.
pub fn compressions(body: usize) -> usize {
    (body + 11 + 9).div_ceil(64) + 1
}

/// Compresses that many contiguous blocks.
pub fn run(blocks: &[[u8; 64]], state: &mut [u32; 8]) {
    compress256(black_box(state), black_box(blocks));
}

/// Whether this processor has them, by the name the kernel gives.
pub fn sha_instructions() -> &'static str {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    match cpu.split_whitespace().any(|flag| flag == "sha_ni" || flag == "sha2") {
        true => "yes",
        false => "no, or unknown",
    }
}
