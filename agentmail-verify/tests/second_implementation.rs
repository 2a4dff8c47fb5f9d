//! Our MACs are equal to those of another implementation of HMAC-SHA256, which uses no SHA
//! instructions.
//!
//! With the compiler flag `--cfg sha2_backend="soft"`, this tests the portable backend of `sha2`.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use agentmail_verify::{Secret, Signer, UnixTime};

const KEY: &str = "whsec_test_secret";

fn agrees_on(body: &[u8]) {
    let delivery =
        Signer::new(Secret::new(KEY).unwrap()).sign(UnixTime::from_secs(1_700_000_000), body);

    let text = [b"1700000000.", body].concat();
    let hex: String =
        hmac_sha256::HMAC::mac(text, KEY).iter().map(|byte| format!("{byte:02x}")).collect();

    assert_eq!(delivery.signature(), format!("v1={hex}"), "{} bytes", body.len());
}

#[test]
fn agrees_on_every_length_across_several_blocks() {
    let bytes: Vec<u8> = (0..=255).cycle().take(300).collect();

    for len in 0..=bytes.len() {
        agrees_on(&bytes[..len]);
    }
}

#[test]
fn agrees_on_a_mebibyte() {
    agrees_on(&(0..=255).cycle().take(1 << 20).collect::<Vec<u8>>());
}
