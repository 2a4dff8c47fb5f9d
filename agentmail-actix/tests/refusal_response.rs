//! The hook that changes the response to a refusal, in the middleware and in the extractor.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use actix_http::Request;
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use agentmail_actix::{
    MailReceived, Refusal, Secret, Signer, UnixTime, Verified, Verifier, VerifyWebhook, Webhook,
    WebhookConfig,
};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const BODY: &str = r#"{"type":"mail.received","agent_id":"my-agent","message_id":"msg-1"}"#;

fn secret() -> Secret {
    Secret::new("whsec_test_secret").unwrap()
}

fn config() -> WebhookConfig {
    WebhookConfig::new(Verifier::new(secret())).with_clock(NOW)
}

/// Returns a request with this body and the signature of `signed`.
fn request(signed: &str, body: String) -> Request {
    let signed = Signer::new(secret()).sign(NOW, signed.as_bytes());
    let request = TestRequest::post().uri("/");
    let request = signed.headers().into_iter().fold(request, TestRequest::append_header);
    request.set_payload(body).to_request()
}

async fn refuses_as_the_hook_says<B: MessageBody>(
    app: impl Service<Request, Response = ServiceResponse<B>, Error = Error>,
) {
    for (request, status, code) in [
        (request(BODY, "forged".into()), 401, "mismatch"),
        (request("{}", "{}".into()), 422, "unexpected_payload"),
        (request(BODY, "x".repeat(300_000)), 413, "body_too_large"),
    ] {
        let response = call_service(&app, request).await;

        assert_eq!(response.status(), status, "{code}");
        assert_eq!(response.headers().get("content-type").unwrap(), "application/json", "{code}");
        assert_eq!(response.response().extensions().get::<Refusal>().unwrap().code(), code);
        assert_eq!(read_body(response).await, format!(r#"{{"error":"{code}"}}"#));
    }
    assert_eq!(call_service(&app, request(BODY, BODY.into())).await.status(), 200);
}

#[actix_web::test]
async fn one_hook_changes_the_refusals_of_the_middleware_and_of_the_extractors() {
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
    let handler = web::post().to(async |_: Verified<MailReceived>| "");
    let middleware = App::new().route("/", handler.wrap(VerifyWebhook::new(shaped())));
    refuses_as_the_hook_says(init_service(middleware).await).await;

    let handler = web::post().to(async |_: Webhook<MailReceived>| "");
    let extractor = App::new().app_data(shaped()).route("/", handler);
    refuses_as_the_hook_says(init_service(extractor).await).await;
}

#[actix_web::test]
async fn a_header_or_status_that_http_does_not_allow_is_left_out() {
    let config = config().with_refusal_response(|_, response| {
        response
            .with_status(99)
            .with_header("not a name", "value")
            .with_header("x-line", "two\r\nlines")
            .with_header("x-good", "value")
    });
    let handler = web::post().to(async |_: Verified<MailReceived>| "");
    let app = init_service(App::new().route("/", handler.wrap(VerifyWebhook::new(config)))).await;

    let response = call_service(&app, request(BODY, "forged".into())).await;

    assert_eq!(response.status(), 500);
    assert_eq!(response.headers().get("x-good").unwrap(), "value");
    assert!(!response.headers().contains_key("x-line"));
}
