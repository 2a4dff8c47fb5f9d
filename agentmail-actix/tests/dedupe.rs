//! `DedupeWebhook` on its own: which middleware may be between it and `VerifyWebhook`, and in which
//! order the two must be.
#![cfg(feature = "dedupe")]
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_http::Request;
use actix_web::{
    App, Error, HttpMessage,
    body::MessageBody,
    dev::{Service, ServiceResponse, Transform},
    test::{TestRequest, call_service, init_service, ok_service},
    web,
};
use agentmail_actix::{
    Delivery, MailReceived, Refusal, Secret, Signer, UnixTime, Verified, Verifier, VerifyWebhook,
    WebhookConfig,
    dedupe::{Claims, DedupeWebhook, MemoryStore},
};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const BODY: &str = r#"{"type":"mail.received","agent_id":"my-agent","message_id":"msg-1"}"#;

fn secret() -> Secret {
    Secret::new("whsec_test_secret").unwrap()
}

fn config() -> WebhookConfig {
    WebhookConfig::new(Verifier::new(secret())).with_clock(NOW)
}

fn dedupe() -> DedupeWebhook {
    DedupeWebhook::new(Claims::new(MemoryStore::new()), "test")
}

/// Returns a request with this body and the signature of `BODY`.
fn request(body: &'static str) -> Request {
    let signed = Signer::new(secret()).sign(NOW, BODY.as_bytes());
    let request = TestRequest::post().uri("/");
    let request = signed.headers().into_iter().fold(request, TestRequest::append_header);
    request.set_payload(body).to_request()
}

async fn on_mail(Verified(mail): Verified<MailReceived>) -> String {
    mail.message_id
}

async fn status_and_code<B: MessageBody>(
    app: &impl Service<Request, Response = ServiceResponse<B>, Error = Error>,
    request: Request,
) -> (u16, Option<&'static str>) {
    let response = call_service(app, request).await;
    let code = response.response().extensions().get::<Refusal>().map(Refusal::code);
    (response.status().as_u16(), code)
}

async fn handles_once<B: MessageBody>(
    app: impl Service<Request, Response = ServiceResponse<B>, Error = Error>,
) {
    for (body, expected) in [
        (BODY, (200, None)),
        (BODY, (200, Some("already_handled"))),
        ("forged", (403, Some("mismatch"))),
    ] {
        assert_eq!(status_and_code(&app, request(body)).await, expected);
    }
}

#[actix_web::test]
async fn other_middleware_may_be_between_the_two() {
    let between = web::resource("/")
        .wrap(dedupe())
        .wrap_fn(|request, service| {
            assert!(request.extensions().get::<Delivery>().is_some());
            service.call(request)
        })
        .wrap(VerifyWebhook::new(config()))
        .route(web::post().to(on_mail));
    handles_once(init_service(App::new().service(between)).await).await;

    let both = VerifyWebhook::new(config()).dedupe(Claims::new(MemoryStore::new()), "test");
    let together = App::new().route("/", web::post().to(on_mail).wrap(both));
    handles_once(init_service(together).await).await;
}

#[actix_web::test]
async fn the_wrong_order_refuses_every_delivery() {
    let wrong = web::post().to(on_mail).wrap(VerifyWebhook::new(config())).wrap(dedupe());
    let app = init_service(App::new().route("/", wrong)).await;

    assert_eq!(status_and_code(&app, request(BODY)).await, (500, Some("missing_layer")));
}

#[actix_web::test]
async fn the_hook_is_not_called_for_a_copy() {
    let shown = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&shown);
    let config = config().with_refusal_response(move |refusal, response| {
        assert_ne!(refusal.code(), "already_handled");
        counter.fetch_add(1, Ordering::Relaxed);
        response.with_status(418)
    });
    let both = VerifyWebhook::new(config).dedupe(Claims::new(MemoryStore::new()), "test");
    let app = init_service(App::new().route("/", web::post().to(on_mail).wrap(both))).await;

    for (body, status) in [(BODY, 200), (BODY, 200), ("forged", 418)] {
        assert_eq!(status_and_code(&app, request(body)).await.0, status);
    }
    assert!(shown.load(Ordering::Relaxed) > 0, "it is shown the forgery");
}

#[actix_web::test]
async fn both_services_give_access_to_the_inner_service() {
    let both = VerifyWebhook::new(config()).dedupe(Claims::new(MemoryStore::new()), "test");

    let service = both.new_transform(ok_service()).await.unwrap();

    let inner = service.get_ref().get_ref();
    assert!(inner.call(TestRequest::get().to_srv_request()).await.is_ok());
}
