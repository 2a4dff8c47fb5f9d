//! Prints the time of one delivery of 400 bytes in nanoseconds, then that of a floor: the SHA-256
//! compressions that it needs.
//!
//! `benches/metrics/run` builds it with and without the feature `metrics`, and runs both in turns.
//! With the feature, the argument is the recorder: `absent`, `noop` or `exporter`.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that panics is broken")]

#[cfg(feature = "metrics")]
mod recorder;

use std::{convert::Infallible, env, hint::black_box, time::Instant};

use agentmail_receive::{RequestHead, WebhookConfig};
use agentmail_verify::{Secret, Signer, UnixTime, Verifier, WebhookHeader};
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use sha2::block_api::compress256;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const BYTES: usize = 400;
/// `<timestamp>.` has 11 bytes and the padding 9, and the outer hash is one more compression.
const BLOCKS: usize = (BYTES + 11 + 9).div_ceil(64);

fn main() {
    let recorder = env::args().nth(1).unwrap_or_else(|| "off".into());
    install(&recorder);
    let secret = || Secret::new("whsec_test_secret").unwrap();
    let config = WebhookConfig::new(Verifier::new(secret())).with_clock(NOW);
    let body = Bytes::from(vec![b'x'; BYTES]);
    let signed = Signer::new(secret()).sign(NOW, &body);
    let (timestamp, signature) = (signed.timestamp().to_owned(), signed.signature().to_owned());

    let delivery = fastest(|| {
        let values = |header| match header {
            WebhookHeader::Timestamp => Some(timestamp.as_bytes()),
            WebhookHeader::Signature => Some(signature.as_bytes()),
            WebhookHeader::Unsigned => None,
        };
        let head = RequestHead::new("/agentmail/webhook", &());
        let pieces = stream::iter([Ok::<_, Infallible>(body.clone())]);
        let received = config.receive(head, values, Some(400), pieces);
        assert!(black_box(received).now_or_never().unwrap().is_ok());
    });
    let blocks = [[0x5a; 64]; BLOCKS];
    let floor = fastest(|| {
        let mut state = [7; 8];
        compress256(black_box(&mut state), black_box(&blocks));
        compress256(black_box(&mut state), black_box(&blocks[..1]));
        black_box(state);
    });
    println!("{delivery:.1} {floor:.1}");
}

/// Returns the time of a call in nanoseconds, in the fastest of many batches.
fn fastest(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 1_000;
    let mut fastest = f64::INFINITY;
    for _ in 0..300 {
        let started = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        fastest = fastest.min(started.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS));
    }
    fastest
}

#[cfg(feature = "metrics")]
fn install(recorder: &str) {
    recorder::install(recorder);
}

#[cfg(not(feature = "metrics"))]
fn install(recorder: &str) {
    assert_eq!(recorder, "off", "without the feature `metrics`, there is no recorder");
}
