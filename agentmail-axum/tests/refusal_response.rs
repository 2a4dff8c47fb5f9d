//! The hook that changes the response to a refusal, in the layer and in the extractor.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use agentmail_axum::{MailReceived, Refusal, VerifyLayer, Webhook, WebhookConfig};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
    response::Response,
    routing::post,
};
use tower::ServiceExt;

use common::{BODY, config, on_mail, signed, with_body};

fn layer(config: WebhookConfig) -> Router {
    Router::new().route("/agentmail/webhook", post(on_mail).layer(VerifyLayer::new(config)))
}

fn extractor(config: WebhookConfig) -> Router {
    async fn on_mail(_: Webhook<MailReceived>) {}
    Router::new().route("/agentmail/webhook", post(on_mail)).with_state(config)
}

async fn send(router: Router, request: Request<Body>) -> (Response<()>, String) {
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn one_hook_changes_the_refusals_of_the_layer_and_of_the_extractors() {
    let shaped = || {
        config().with_refusal_response(|refusal, response| {
            let body = format!(r#"{{"error":"{}"}}"#, refusal.code());
            let status = if refusal.status() == 403 { 401 } else { response.status() };
            response
                .with_status(status)
                .with_header("Content-Type", "application/json")
                .with_body(body)
        })
    };
    for router in [layer(shaped()), extractor(shaped())] {
        for (request, status, code) in [
            (with_body("forged"), 401, "mismatch"),
            (signed("{}"), 422, "unexpected_payload"),
            (with_body("x".repeat(300_000)), 413, "body_too_large"),
        ] {
            let (response, body) = send(router.clone(), request).await;

            assert_eq!(response.status(), status, "{code}");
            assert_eq!(response.headers()["content-type"], "application/json", "{code}");
            assert_eq!(body, format!(r#"{{"error":"{code}"}}"#));
            assert_eq!(response.extensions().get::<Refusal>().unwrap().code(), code);
        }
        assert_eq!(send(router, signed(BODY)).await.0.status(), 200);
    }
}

#[tokio::test]
async fn a_header_or_status_that_http_does_not_allow_is_left_out() {
    let config = config().with_refusal_response(|_, response| {
        response
            .with_status(99)
            .with_header("not a name", "value")
            .with_header("x-line", "two\r\nlines")
            .with_header("x-good", "value")
    });

    let (response, _) = send(layer(config), with_body("forged")).await;

    assert_eq!(response.status(), 500);
    assert_eq!(
        response.headers().len(),
        1 + usize::from(response.headers().contains_key("content-length"))
    );
    assert_eq!(response.headers()["x-good"], "value");
}
