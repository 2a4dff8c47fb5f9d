//! Key material is gone from memory once a secret is dropped.
#![expect(unsafe_code, reason = "looks at the memory of a dropped value")]

use std::mem::{MaybeUninit, size_of};

use agentmail_verify::Secret;

/// Copies the value's memory, byte by byte, whether it lives or not.
fn memory(place: &MaybeUninit<Secret>) -> Vec<u8> {
    let start = place.as_ptr().cast::<u8>();
    // SAFETY: every offset lies inside `place`. Volatile, so that the compiler cannot reason about
    // what a dropped value or its padding holds.
    (0..size_of::<Secret>()).map(|at| unsafe { start.add(at).read_volatile() }).collect()
}

#[test]
fn a_dropped_secret_leaves_nothing_but_its_label() {
    let label = "2026-11";
    let secret = Secret::new("whsec_test_secret").unwrap().with_label(label).unwrap();
    let mut place = Box::new(MaybeUninit::new(secret));
    let alive = memory(&place);

    // SAFETY: `place` holds a secret, which is not used again.
    unsafe { place.assume_init_drop() };

    let left = memory(&place).iter().filter(|byte| **byte != 0).count();
    assert!(alive.iter().filter(|byte| **byte != 0).count() > 60, "two states of 32 bytes");
    assert_eq!(left, label.len() + 1, "the label and its length");
}
