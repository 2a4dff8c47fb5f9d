//! Behaviour that only the actix-web adapter has. `proofs/conformance` tests the responses that all
//! adapters share.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{cell::Cell, rc::Rc};

use actix_http::Request;
use actix_web::{
    App, Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::{Next, from_fn},
    test::{TestRequest, call_service, init_service, read_body},
    web::{self, Bytes, Data, PayloadConfig},
};
use agentmail_actix::{
    Delivery, Event, MailReceived, Refusal, Secret, Signer, UnixTime, Verified, Verifier,
    VerifyWebhook, Webhook, WebhookConfig, WebhookRejection,
};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const BODY: &str =
    r#"{"type":"mail.received","agent_id":"my-agent","message_id":"msg-1","subject":"hush"}"#;

fn secret() -> Secret {
    Secret::new("whsec_test_secret").unwrap()
}

fn config() -> WebhookConfig {
    WebhookConfig::new(Verifier::new(secret())).with_clock(NOW)
}

fn signed(body: &'static str) -> Request {
    let delivery = Signer::new(secret()).sign(NOW, body.as_bytes());
    let request = TestRequest::post().uri("/").set_payload(body);
    delivery.headers().into_iter().fold(request, TestRequest::append_header).to_request()
}

fn unsigned() -> Request {
    TestRequest::post().uri("/").set_payload(BODY).to_request()
}

async fn on_mail(Verified(mail): Verified<MailReceived>) -> String {
    mail.message_id
}

/// Returns the status, the code of the refusal and the text of a response.
async fn send<B: MessageBody>(
    app: &impl Service<Request, Response = ServiceResponse<B>, Error = Error>,
    request: Request,
) -> (StatusCode, Option<&'static str>, String) {
    let response = call_service(app, request).await;
    let status = response.status();
    let code = response.response().extensions().get::<Refusal>().map(Refusal::code);
    let body = read_body(response).await;
    (status, code, String::from_utf8(body.to_vec()).unwrap())
}

#[actix_web::test]
async fn the_middleware_works_on_an_app_a_scope_a_resource_and_a_route() {
    let verify = || VerifyWebhook::new(config());
    macro_rules! check_guarded {
        ($name:literal, $app:expr) => {
            let app = init_service($app).await;
            let genuine = send(&app, signed(BODY)).await;
            assert_eq!(genuine, (StatusCode::OK, None, "msg-1".into()), $name);
            let refused = send(&app, unsigned()).await;
            let code = Some("missing_signature");
            assert_eq!(refused, (StatusCode::FORBIDDEN, code, String::new()), $name);
        };
    }

    check_guarded!("app", App::new().wrap(verify()).route("/", web::post().to(on_mail)));
    check_guarded!("scope", {
        App::new().service(web::scope("").wrap(verify()).route("/", web::post().to(on_mail)))
    });
    check_guarded!("resource", {
        App::new().service(web::resource("/").wrap(verify()).route(web::post().to(on_mail)))
    });
    check_guarded!("route", App::new().route("/", web::post().to(on_mail).wrap(verify())));
}

#[actix_web::test]
async fn later_extractors_can_read_the_payload() {
    async fn handler(delivery: Delivery, body: Bytes) -> String {
        assert_eq!(delivery.body(), &body);
        format!("{} {}", delivery.receipt().label(), body.len())
    }
    async fn json(body: web::Json<MailReceived>) -> String {
        body.into_inner().message_id
    }

    let verify = || VerifyWebhook::new(config());
    let app = init_service(App::new().wrap(verify()).route("/", web::post().to(handler))).await;
    assert_eq!(send(&app, signed(BODY)).await.2, format!("default {}", BODY.len()));

    let app = init_service(App::new().wrap(verify()).route("/", web::post().to(json))).await;
    let mut request = signed(BODY);
    let json = actix_web::http::header::HeaderValue::from_static("application/json");
    request.headers_mut().insert(actix_web::http::header::CONTENT_TYPE, json);
    assert_eq!(send(&app, request).await.2, "msg-1");
}

#[actix_web::test]
async fn an_inner_middleware_cannot_change_what_was_verified() {
    let app = App::new()
        .wrap_fn(|mut request, service| {
            request.set_payload(Bytes::from_static(br#"{"type":"other"}"#).into());
            service.call(request)
        })
        .wrap(VerifyWebhook::new(config()))
        .route("/", web::post().to(on_mail));

    assert_eq!(send(&init_service(app).await, signed(BODY)).await.2, "msg-1");
}

#[actix_web::test]
async fn outer_middleware_sees_a_refusal_as_a_response() {
    let seen = Rc::new(Cell::new(None));
    let sees = Rc::clone(&seen);
    let app = App::new()
        .wrap(VerifyWebhook::new(config()))
        .wrap_fn(move |request, service| {
            let sees = Rc::clone(&sees);
            let response = service.call(request);
            async move {
                let response = response.await?;
                sees.set(Some(response.status()));
                let error = response.response().error().and_then(|error| error.as_error());
                let rejection: Option<&WebhookRejection> = error;
                assert_eq!(rejection.unwrap().refusal().code(), "missing_signature");
                Ok(response)
            }
        })
        .route("/", web::post().to(on_mail));

    send(&init_service(app).await, unsigned()).await;

    assert_eq!(seen.get(), Some(StatusCode::FORBIDDEN));
}

#[actix_web::test]
async fn the_middleware_ignores_the_payload_limit_of_actix() {
    let app = App::new()
        .app_data(PayloadConfig::new(1))
        .wrap(VerifyWebhook::new(config()))
        .route("/", web::post().to(on_mail));

    assert_eq!(send(&init_service(app).await, signed(BODY)).await.0, StatusCode::OK);
}

#[actix_web::test]
async fn the_extractor_finds_its_configuration_with_and_without_data() {
    async fn on_event(Webhook(event): Webhook<Event>) -> HttpResponse {
        assert!(matches!(event, Event::MailReceived(_)));
        HttpResponse::Ok().finish()
    }
    let route = || web::post().to(on_event);

    let plain = init_service(App::new().app_data(config()).route("/", route())).await;
    assert_eq!(send(&plain, signed(BODY)).await.0, StatusCode::OK);

    let data = App::new().app_data(Data::new(config())).route("/", route());
    assert_eq!(send(&init_service(data).await, signed(BODY)).await.0, StatusCode::OK);

    let scoped = web::scope("").app_data(config()).route("/", route());
    assert_eq!(
        send(&init_service(App::new().service(scoped)).await, signed(BODY)).await.0,
        StatusCode::OK
    );
}

#[actix_web::test]
async fn a_wrong_setup_is_500() {
    async fn on_event(_: Webhook<Event>) -> &'static str {
        "never"
    }
    async fn on_delivery(_: Delivery) -> &'static str {
        "never"
    }
    for (route, expected) in [
        (web::post().to(on_event), "missing_configuration"),
        (web::post().to(on_delivery), "missing_layer"),
        (web::post().to(on_mail), "missing_layer"),
    ] {
        let app = init_service(App::new().route("/", route)).await;

        let (status, code, body) = send(&app, signed(BODY)).await;

        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{expected}");
        assert_eq!((code, &*body), (Some(expected), ""));
    }
}

#[actix_web::test]
async fn a_handler_can_take_the_refusal() {
    async fn on_event(event: Result<Webhook<Event>, WebhookRejection>) -> String {
        event.err().map(|rejection| format!("{} {rejection}", rejection.status())).unwrap()
    }
    let app =
        init_service(App::new().app_data(config()).route("/", web::post().to(on_event))).await;

    let (status, _, body) = send(&app, unsigned()).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, "403 Forbidden x-agentmail-signature is missing");
}

#[actix_web::test]
async fn extractors_see_the_signed_bytes_whatever_content_encoding_says() {
    const SIGNED: &[u8] = b"\x1f\x8b: signed as it is";

    /// Keeps a clone of the request, so that actix-web cannot change its headers.
    async fn keep_a_clone(
        request: ServiceRequest,
        next: Next<impl MessageBody>,
    ) -> Result<ServiceResponse<impl MessageBody>, Error> {
        let clone = request.request().clone();
        let response = next.call(request).await;
        drop(clone);
        response
    }
    async fn body_of(request: HttpRequest, delivery: Delivery, body: Bytes) -> String {
        assert_eq!(delivery.body(), &body);
        assert_eq!(body, SIGNED);
        assert!(!request.headers().contains_key("content-encoding"));
        "the signed bytes".into()
    }
    let gzip = |body: &'static [u8]| {
        let delivery = Signer::new(secret()).sign(NOW, body);
        let request = TestRequest::post().uri("/").set_payload(body);
        let request = request.append_header(("content-encoding", "gzip"));
        delivery.headers().into_iter().fold(request, TestRequest::append_header).to_request()
    };

    let verify = || VerifyWebhook::new(config());
    let route = || web::post().to(body_of).wrap(verify());
    let app = init_service(App::new().route("/", route())).await;
    let (status, _, body) = send(&app, gzip(SIGNED)).await;
    assert_eq!((status, &*body), (StatusCode::OK, "the signed bytes"));

    // With a clone, the header stays, but the delivery gets a response.
    let on_delivery = async |delivery: Delivery| delivery.body().len().to_string();
    let route = web::post().to(on_delivery).wrap(verify()).wrap(from_fn(keep_a_clone));
    let app = init_service(App::new().route("/", route)).await;
    let (status, _, body) = send(&app, gzip(SIGNED)).await;
    assert_eq!((status, body), (StatusCode::OK, SIGNED.len().to_string()));
}

#[actix_web::test]
async fn an_optional_extractor_runs_the_handler_unverified_as_the_documentation_warns() {
    async fn on_event(event: Option<Webhook<Event>>) -> &'static str {
        if event.is_some() { "verified" } else { "unverified" }
    }
    let app = App::new().app_data(config()).route("/", web::post().to(on_event));
    assert_eq!(send(&init_service(app).await, unsigned()).await.2, "unverified");

    // The middleware refuses the request before the extractor runs.
    let app = App::new()
        .app_data(config())
        .wrap(VerifyWebhook::new(config()))
        .route("/", web::post().to(on_event));
    assert_eq!(send(&init_service(app).await, unsigned()).await.0, StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn explains_a_refusal_only_on_request() {
    let config = config().with_problem_details(true);
    let app = App::new().wrap(VerifyWebhook::new(config)).route("/", web::post().to(on_mail));
    let app = init_service(app).await;

    for (request, code) in [(unsigned(), "missing_signature"), (signed("{}"), "unexpected_payload")]
    {
        let response = call_service(&app, request).await;

        assert_eq!(response.headers().get("content-type").unwrap(), "application/problem+json");
        let body = String::from_utf8(read_body(response).await.to_vec()).unwrap();
        assert!(body.contains(&format!(r#""code":"{code}""#)), "{body}");
    }
}

#[test]
fn debug_of_the_public_types_shows_neither_secret_nor_content() {
    let delivery = Delivery::sign(&Signer::new(secret()), NOW, BODY);
    let mail: MailReceived = delivery.json().unwrap();

    for shown in [
        format!("{:?}", VerifyWebhook::new(config())),
        format!("{:?}", Verified(mail.clone())),
        format!("{:?}", Webhook(mail)),
        format!("{:?}", delivery.json::<Vec<u8>>()),
        format!("{delivery:?}"),
    ] {
        for never in ["hush", "whsec", "test_secret"] {
            assert!(!shown.contains(never), "{shown}");
        }
    }
}
