//! A whole handler in process: the time that each way of verifying adds to a bare handler.
//!
//! The bare handler collects the body and reads it with `serde_json`, as ours do. A framework's own
//! `Json` is a contender and not the base. axum's uses `serde_path_to_error`, which is slower, so
//! everything would look faster in comparison.

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

/// Creates each group after the previous one has run.
pub fn groups() -> impl Iterator<Item = Group> {
    [axum::group, actix::group, once::group].into_iter().map(|group| group())
}

fn config() -> WebhookConfig {
    WebhookConfig::new(Verifier::new(Secret::new(SECRET).expect("a secret")))
}

fn read(body: &[u8]) -> String {
    serde_json::from_slice::<MailReceived>(body).expect("it is the sample").message_id
}

/// The extension of the empty layer. It is as large as that of our layer.
#[derive(Clone)]
struct Collected(
    #[expect(dead_code, reason = "only its size matters")] Bytes,
    #[expect(dead_code, reason = "only its size matters")] [u8; 64],
);

/// Returns a body of the sample's length that blooio's event type accepts. Its `timestamp` is a
/// number.
fn blooio_sample() -> String {
    let text = r#""2026-04-16T12:00:00+00:00""#;
    let number = format!("{:<1$}", 1_776_340_800, text.len());
    let sample = SAMPLE.replace(text, &number);
    assert!(sample != SAMPLE && sample.len() == SAMPLE.len(), "the sample has a timestamp");
    sample
}

/// Returns the signature headers of all contenders, so that each gets the same set of headers.
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
