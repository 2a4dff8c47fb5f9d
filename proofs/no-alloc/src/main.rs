//! Verifies a delivery in a binary that has no allocator, no standard library and no unwinding.
//!
//! The binary links only if the core does not allocate: an allocation would leave a symbol
//! undefined. With the feature `alloc`, this binary allocates and does not link. The exit status is
//! 0 if the genuine delivery was accepted and the forged ones were refused.
#![no_std]
#![no_main]

use core::{ffi::c_int, panic::PanicInfo};

use agentmail_verify::{Secret, SignedHeaders, UnixTime, Verifier};

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
}

/// The vendor's sample, signed with Python's hmac; see `agentmail-verify/tests/vectors/basic.json`.
const BODY: &[u8] = b"1.{}";
const SIGNATURE: &[u8] = b"v1=7d06567885b19ba563fcb960d9d42ebcb14c2af04d0fb9e5571eec968751b126";

#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    #[cfg(feature = "alloc")]
    {
        extern crate alloc;
        core::hint::black_box(alloc::vec![0_u8; 16]);
    }
    let accepted = verify(b"whsec_test_secret", BODY);
    let refused = !verify(b"whsec_test_secret", b"2.{}") && !verify(b"another secret", BODY);
    c_int::from(!(accepted && refused))
}

fn verify(secret: &[u8], body: &[u8]) -> bool {
    let headers = SignedHeaders::parse(|header| match header.name() {
        "x-agentmail-timestamp" => Some(&b"1700000000"[..]),
        "x-agentmail-signature" => Some(SIGNATURE),
        _ => None,
    });
    match (headers, Secret::new(secret)) {
        (Ok(headers), Ok(secret)) => {
            Verifier::new(secret).verify(&headers, body, UnixTime::from_secs(1_700_000_000)).is_ok()
        }
        _ => false,
    }
}

#[panic_handler]
fn panic(_: &PanicInfo) -> ! {
    // SAFETY: the function has no arguments and does not return.
    unsafe { abort() }
}

/// The precompiled `core` needs this symbol. Nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
