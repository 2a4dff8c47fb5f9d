//! A whole handler, in process: what each way of verifying adds to a bare one.
//!
//! The bare handler collects the body and reads it with `serde_json`, as ours do. A framework's own
//! `Json` is a contender and not the base: axum's goes through `serde_path_to_error`, which would
//! flatter all that is measured against it.

mod actix;
mod axum;
mod once;

use agentmail_axum::{Clock, MailReceived, Secret, Signer, SystemClock, Verifier, WebhookConfig};
use bytes::Bytes;

use crate::{
    core::{SECRET, standard_signature},
    rounds::Group,
};

/// The vendor's sample.
const SAMPLE: &str = include_str!("../../../../examples/sample.json");

/// Each is made when the one before it has run.
pub fn groups() -> impl Iterator<Item = Group> {
    [axum::group, actix::group, once::group].into_iter().map(|group| group())
}

fn config() -> WebhookConfig {
    WebhookConfig::new(Verifier::new(Secret::new(SECRET).expect("a secret")))
}

fn read(body: &[u8]) -> String {
    serde_json::from_slice::<MailReceived>(body).expect("it is the sample").message_id
}

/// What an empty layer leaves, as large as what ours leaves.
#[derive(Clone)]
struct Collected(
    #[expect(dead_code, reason = "only its weight counts")] Bytes,
    #[expect(dead_code, reason = "likewise")] [u8; 64],
);

/// A body of the sample's length that blooio's event type takes: there `timestamp` is a number.
fn blooio_sample() -> String {
    let text = r#""2026-04-16T12:00:00+00:00""#;
    let number = format!("{:<1$}", 1_776_340_800, text.len());
    let sample = SAMPLE.replace(text, &number);
    assert!(sample != SAMPLE && sample.len() == SAMPLE.len(), "the sample has a timestamp");
    sample
}

/// The signature headers of every contender, so that each looks among the same lines.
fn signature_headers(body: &[u8]) -> [(&'static str, String); 8] {
    let signer = Signer::new(Secret::new(SECRET).expect("a secret"));
    let signed = signer.sign(SystemClock.now(), body);
    let (timestamp, signature) = (signed.timestamp(), signed.signature());
    let in_one = format!("t={timestamp},{signature}");
    [
        ("content-type", "application/json".into()),
        ("x-agentmail-timestamp", timestamp.into()),
        ("x-agentmail-signature", signature.into()),
        ("stripe-signature", in_one.clone()),
        ("x-blooio-signature", in_one),
        ("webhook-id", "msg_1".into()),
        ("webhook-timestamp", timestamp.into()),
        ("webhook-signature", standard_signature(timestamp, body)),
    ]
}
