//! Attempt 1 of the delivery dlv-1, from agentmail-simulator.
//!
//! Dev-dependencies: `agentmail-axum`, `axum`, `tower` with `util`, and `tokio` with
//! `macros` and `rt`.

use agentmail_axum::{
    Event, Secret, Signer, UnixTime, Verified, Verifier, VerifyLayer, WebhookConfig,
};
use axum::{Router, body::Body, http::Request, routing::post};
use tower::ServiceExt; // for `oneshot`

const PATH: &str = "/agentmail/webhook";
/// When the attempt was made, in seconds since 1970.
const NOW: u64 = 1_776_340_800;
/// The time in the header.
const SIGNED_AT: u64 = 1_776_340_800;
/// The body.
const BODY: &str = concat!(
    r#"{"type": "mail.received", "agent_id": "my-agent", "message_id": "#,
    r#""msg-1", "sender": "user@example.com", "subject": "It's "#,
    r#"\"\u05e9\\'\"", "timestamp": "2026-04-16T12:00:00+00:00", "#,
    r#""sender_verified": true, "peer_trust_tier": "verified", "rate_limited": "#,
    r#"false, "is_duplicate": false, "s3_bucket": "my-bucket", "s3_key": "#,
    r#""inbound/my-agent/msg-1.eml"}"#,
);

/// Replace it by your own function that builds the app.
fn app(webhooks: WebhookConfig) -> Router {
    let on_event = async |_: Verified<Event>| "received";
    let verify = VerifyLayer::new(webhooks);
    Router::new().route(PATH, post(on_event).route_layer(verify))
}

#[tokio::test]
async fn attempt_1_of_dlv_1_gets_200() -> Result<(), Box<dyn std::error::Error>> {
    // The agent's secret is not here. The test signs with its own.
    let secret = "whsec_test_secret";
    let verifier = Verifier::new(Secret::new(secret)?);
    let now = UnixTime::from_secs(NOW);
    let app = app(WebhookConfig::new(verifier).with_clock(now));
    let signer = Signer::new(Secret::new(secret)?);
    let signed = signer.sign(UnixTime::from_secs(SIGNED_AT), BODY.as_bytes());
    let mut request = Request::post(PATH);
    for (header, value) in signed.headers() {
        request = request.header(header, value);
    }

    let response = app.oneshot(request.body(Body::from(BODY))?).await?;

    assert_eq!(response.status(), 200);
    Ok(())
}
