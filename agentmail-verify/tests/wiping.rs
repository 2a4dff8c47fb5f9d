//! Creating a secret leaves no key on the stack, and dropping it leaves no key state in memory.
#![expect(
    unsafe_code,
    reason = "reads the memory of dropped values and of functions that have returned"
)]

use std::{
    hint::black_box,
    mem::{MaybeUninit, size_of},
    ptr::with_exposed_provenance,
};

use agentmail_verify::Secret;

/// Copies the value's memory byte by byte, whether the value is alive or dropped.
fn memory(place: &MaybeUninit<Secret>) -> Vec<u8> {
    let start = place.as_ptr().cast::<u8>();
    // SAFETY: every offset is inside `place`. The reads are volatile, so that the compiler cannot
    // reason about the content of a dropped value or of its padding.
    (0..size_of::<Secret>()).map(|at| unsafe { start.add(at).read_volatile() }).collect()
}

#[test]
fn a_dropped_secret_leaves_nothing_but_its_label() {
    let label = "2026-11";
    let secret = Secret::new("whsec_test_secret").unwrap().with_label(label.parse().unwrap());
    let mut place = Box::new(MaybeUninit::new(secret));
    let alive = memory(&place);

    // SAFETY: `place` holds a secret, which is not used again.
    unsafe { place.assume_init_drop() };

    let left = memory(&place).iter().filter(|byte| **byte != 0).count();
    assert!(alive.iter().filter(|byte| **byte != 0).count() > 60, "two states of 32 bytes");
    assert_eq!(left, label.len() + 1, "the label and its length");
}

/// How many bytes of the stack are searched. A debug build has the deepest frames.
const SEARCHED: usize = 32 * 1_024;
/// How far the frames under test are from those of the search, which must not overwrite them.
const DISTANCE: usize = 4 * 1_024;

/// Runs `under_test`, and then copies the stack that it used.
fn dead_stack(under_test: impl Fn()) -> Vec<u8> {
    /// Overwrites what earlier calls left.
    #[inline(never)]
    fn clear() {
        black_box(&mut [0_u8; DISTANCE + SEARCHED]);
    }

    #[inline(never)]
    fn at_a_distance(under_test: &dyn Fn()) {
        let mut frame = [0_u8; DISTANCE];
        black_box(&mut frame);
        under_test();
        black_box(&mut frame);
    }

    #[inline(never)]
    fn copy_to(copy: &mut [u8]) {
        let here = 0_u8;
        let top = (&raw const here).expose_provenance();
        for (offset, byte) in copy.iter_mut().rev().enumerate() {
            let address = with_exposed_provenance::<u8>(top - offset);
            // SAFETY: the rest of this thread's stack is below the frame of this function, and
            // `clear` has used as much of it. The read is volatile, and every byte is a valid `u8`.
            *byte = unsafe { address.read_volatile() };
        }
    }

    let mut copy = vec![0; DISTANCE + SEARCHED];
    clear();
    at_a_distance(&under_test);
    copy_to(&mut copy);
    copy
}

/// Returns the number of places where the stack contains one of these pieces.
fn traces(stack: &[u8], pieces: &[[u8; 8]]) -> usize {
    stack.windows(8).filter(|window| pieces.iter().any(|piece| piece == window)).count()
}

/// Returns the key in pieces, plain and as HMAC pads it, in the byte order of memory and of words.
fn forms(key: &[u8]) -> Vec<[u8; 8]> {
    let pieces = key.as_chunks::<8>().0.iter();
    let padded = pieces.flat_map(|piece| [0, 0x36, 0x5c].map(|pad| piece.map(|byte| byte ^ pad)));
    let orders = padded.flat_map(|piece| {
        let [a, b, c, d, e, f, g, h] = piece;
        [piece, [d, c, b, a, h, g, f, e], [h, g, f, e, d, c, b, a]]
    });
    orders.collect()
}

/// A debug build without `std` uses more of the stack than it overwrites.
#[cfg(any(not(debug_assertions), feature = "std"))]
#[test]
fn a_new_secret_leaves_no_key_on_the_stack() {
    for len in [32, 64, 100] {
        let key: Vec<u8> = (0..len).map(|at| b'0' + at % 75).collect();

        let stack = dead_stack(|| drop(black_box(Secret::new(&key))));

        // HMAC uses the hash of a key that is longer than a block.
        let forms = [forms(&key), forms(&hmac_sha256::Hash::hash(&key))].concat();
        assert_eq!(traces(&stack, &forms), 0, "a key of {len} bytes");
    }
}

/// In a debug build, each move of a value leaves a copy of it.
#[cfg(not(debug_assertions))]
#[test]
fn a_verification_leaves_no_key_state_on_the_stack() {
    use agentmail_verify::{SignedHeaders, Signer, UnixTime};

    let now = UnixTime::from_secs(1_700_000_000);
    let secret = || Secret::new("whsec_test_secret").unwrap();
    let another = Secret::new("another secret").unwrap();
    let [state, other] = [secret(), another].map(|secret| memory(&MaybeUninit::new(secret)));
    // Two secrets with the same label differ only in the key state.
    let state: Vec<[u8; 8]> = state
        .as_chunks()
        .0
        .iter()
        .zip(other.as_chunks().0)
        .filter_map(|(piece, other)| (piece != other).then_some(*piece))
        .collect();
    let signer = Signer::new(secret());
    let body = [b'x'; 400];
    let delivery = signer.sign(now, &body);
    let headers = SignedHeaders::parse(|header| delivery.value(header)).unwrap();
    let verifier = signer.verifier();

    let stack = dead_stack(|| assert!(verifier.verify(&headers, &body, now).is_ok()));

    assert_eq!(state.len(), 8, "two states of 32 bytes");
    assert_eq!(traces(&stack, &state), 0);
}

/// The control: it fails if the search looks in the wrong place.
#[test]
fn a_key_that_is_left_on_the_stack_is_found() {
    let key: Vec<u8> = (b'0'..b'P').collect();
    let leave = || {
        let mut frame = [0_u8; 32];
        frame.copy_from_slice(&key);
        black_box(&mut frame);
    };

    let stack = dead_stack(leave);

    assert!(traces(&stack, &forms(&key)) > 0);
}
