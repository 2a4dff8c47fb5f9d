//! HMAC-SHA256 (RFC 2104) over the block function of `sha2`, its two keyed states computed once.
//!
//! The `hmac` crate does the same, and is the oracle of the tests. It buffers every update and
//! compresses the head, the middle and the tail of a short message in calls of their own; here a
//! short message is laid out once, padding included, and compressed at one go.

#![expect(clippy::indexing_slicing, reason = "each bound is the smaller of two lengths at hand")]

use sha2::{Digest, Sha256, block_api::compress256};
use zeroize::Zeroize;

const BLOCK: usize = 64;
/// The sample payload of the vendor's guide, its timestamp and its padding fit.
const HEAD: usize = 8 * BLOCK;
/// What follows a message: one bit, and the message's length in bits.
const PADDING: usize = 1 + size_of::<u64>();

type State = [u32; 8];

/// The initial hash value of SHA-256 (FIPS 180-4, section 5.3.3).
#[rustfmt::skip]
const INITIAL: State = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A key, as the states after its inner and its outer pad. Wiped on drop.
#[derive(Clone)]
pub(crate) struct Key {
    inner: State,
    outer: State,
}

impl Key {
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        if let Some(place) = block.get_mut(..key.len()) {
            place.copy_from_slice(key);
        } else {
            let mut hashed = Sha256::digest(key);
            block.iter_mut().zip(&hashed).for_each(|(place, byte)| *place = *byte);
            hashed.as_mut_slice().zeroize();
        }
        let [inner, outer] = [0x36, 0x5c].map(|pad: u8| {
            // Compressed where it is wiped: an array by value would leave a copy of the key behind.
            let mut padded = [[pad; BLOCK]];
            padded
                .as_flattened_mut()
                .iter_mut()
                .zip(&block)
                .for_each(|(place, byte)| *place ^= byte);
            let mut state = INITIAL;
            compress256(&mut state, &padded);
            padded.zeroize();
            state
        });
        block.zeroize();
        Self { inner, outer }
    }

    /// Computes the MAC of a message in one piece: a prefix shorter than a block, and a body.
    pub(crate) fn mac(&self, prefix: &[u8], body: &[u8]) -> [u8; 32] {
        let mut head = [0; HEAD];
        let start = prefix.len().min(BLOCK);
        let (first, rest) = body.split_at(body.len().min(HEAD - start));
        let used = start + first.len();
        head[..start].copy_from_slice(&prefix[..start]);
        head[start..used].copy_from_slice(first);

        if used + PADDING > HEAD {
            let mut mac = self.begin();
            mac.update(&head[..used]);
            mac.update(rest);
            return mac.finish();
        }
        let end = pad(&mut head, used, used as u64);
        let mut state = self.inner;
        compress256(&mut state, head[..end].as_chunks().0);
        outer(self.outer, &state)
    }

    /// Begins the MAC of a message in pieces.
    pub(crate) fn begin(&self) -> Mac {
        Mac { states: self.clone(), tail: [0; BLOCK], filled: 0, len: 0 }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.inner.zeroize();
        self.outer.zeroize();
    }
}

/// The MAC of a message under way.
#[derive(Clone)]
pub(crate) struct Mac {
    /// The inner state moves on with the message.
    states: Key,
    /// What does not fill a block yet.
    tail: [u8; BLOCK],
    filled: usize,
    len: u64,
}

impl Mac {
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.len = self.len.wrapping_add(piece.len() as u64);
        let taken = if self.filled == 0 { 0 } else { piece.len().min(BLOCK - self.filled) };
        let (first, rest) = piece.split_at(taken);
        self.tail[self.filled..self.filled + taken].copy_from_slice(first);
        self.filled += taken;
        if self.filled == BLOCK {
            compress256(&mut self.states.inner, &[self.tail]);
            self.filled = 0;
        }
        if self.filled == 0 {
            let (blocks, tail) = rest.as_chunks();
            compress256(&mut self.states.inner, blocks);
            self.tail[..tail.len()].copy_from_slice(tail);
            self.filled = tail.len();
        }
    }

    pub(crate) fn finish(mut self) -> [u8; 32] {
        let mut last = [0; 2 * BLOCK];
        last[..self.filled].copy_from_slice(&self.tail[..self.filled]);
        let end = pad(&mut last, self.filled, self.len);
        compress256(&mut self.states.inner, last[..end].as_chunks().0);
        outer(self.states.outer, &self.states.inner)
    }
}

/// Pads the message whose last `used` bytes stand in `buffer`; returns where the padding ends.
fn pad(buffer: &mut [u8], used: usize, len: u64) -> usize {
    let end = (used + PADDING).next_multiple_of(BLOCK);
    // The keyed state has swallowed a block already.
    let bits = (BLOCK as u64).wrapping_add(len).wrapping_mul(8);
    buffer[used] = 0x80;
    buffer[end - size_of::<u64>()..end].copy_from_slice(&bits.to_be_bytes());
    end
}

/// Hashes the inner digest under the outer pad.
fn outer(mut state: State, inner: &State) -> [u8; 32] {
    let mut block = [0; BLOCK];
    let (words, _) = block.as_chunks_mut::<4>();
    words.iter_mut().zip(inner).for_each(|(place, word)| *place = word.to_be_bytes());
    pad(&mut block, 32, 32);
    compress256(&mut state, &[block]);

    let mut mac = [0; 32];
    let (words, _) = mac.as_chunks_mut::<4>();
    words.iter_mut().zip(state).for_each(|(place, word)| *place = word.to_be_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use hmac::{Hmac, KeyInit, Mac as _};
    use proptest::prelude::*;

    use super::*;

    fn oracle(key: &[u8], message: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    #[test]
    fn agrees_with_the_hmac_crate_on_every_length_about_the_head() {
        let message: Vec<u8> = (0..=255).cycle().take(HEAD + 3 * BLOCK).collect();
        let key = Key::new(b"key");

        for len in 0..=message.len() {
            let message = &message[..len];
            for prefix in [0, 11, 21] {
                let (prefix, body) = message.split_at(prefix.min(len));

                assert_eq!(key.mac(prefix, body), oracle(b"key", message), "{len} bytes");
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_hmac_crate(
            key in prop::collection::vec(any::<u8>(), 0..200),
            prefix in prop::collection::vec(any::<u8>(), 0..22),
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
        ) {
            let body = pieces.concat();
            let expected = oracle(&key, &[&prefix[..], &body].concat());
            let key = Key::new(&key);

            let mut mac = key.begin();
            mac.update(&prefix);
            pieces.iter().for_each(|piece| mac.update(piece));

            prop_assert_eq!(key.mac(&prefix, &body), expected);
            prop_assert_eq!(mac.finish(), expected);
        }
    }
}
