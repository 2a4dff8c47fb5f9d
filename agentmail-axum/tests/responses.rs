//! The layer with `Verified` and the extractor `Webhook` give the same responses.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use agentmail_axum::{
    Delivery, MailReceived, UnixTime, Verified, VerifyLayer, Webhook, WebhookConfig,
    WebhookRejection,
};
use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::FromRef,
    http::{HeaderValue, Request, StatusCode},
    routing::post,
};
use futures_util::{StreamExt, stream};
use http_body::{Frame, SizeHint};
use tower::ServiceExt;

use common::{BODY, config, on_event, on_mail, read, signed, with_body};

#[derive(Clone)]
struct AppState {
    webhooks: WebhookConfig,
}

impl FromRef<AppState> for WebhookConfig {
    fn from_ref(state: &AppState) -> Self {
        state.webhooks.clone()
    }
}

fn layer(config: WebhookConfig) -> Router {
    Router::new().route("/agentmail/webhook", post(on_mail)).route_layer(VerifyLayer::new(config))
}

fn extractor(config: WebhookConfig) -> Router {
    async fn on_mail(Webhook(mail): Webhook<MailReceived>) -> String {
        mail.message_id
    }

    let state = AppState { webhooks: config };
    Router::new().route("/agentmail/webhook", post(on_mail)).with_state(state)
}

/// Sends the same request to the layer and to the extractor, and expects the same refusal with an
/// empty body from both.
async fn refuses(
    name: &str,
    config: WebhookConfig,
    request: impl Fn() -> Request<Body>,
    expected: (StatusCode, &str),
) {
    for (way, router) in [("layer", layer(config.clone())), ("extractor", extractor(config))] {
        let response = router.oneshot(request()).await.unwrap();
        assert!(!response.headers().contains_key("content-type"), "{name}, {way}");
        let (status, code, body) = read(response).await;

        assert_eq!((status, code), (expected.0, Some(expected.1)), "{name}, {way}");
        assert_eq!(body, "", "{name}, {way}");
    }
}

async fn accepts(name: &str, config: WebhookConfig, request: impl Fn() -> Request<Body>) {
    for (way, router) in [("layer", layer(config.clone())), ("extractor", extractor(config))] {
        let (status, code, body) = read(router.oneshot(request()).await.unwrap()).await;

        assert_eq!((status, code, &*body), (StatusCode::OK, None, "msg-1"), "{name}, {way}");
    }
}

fn without(header: &str) -> Request<Body> {
    let mut request = signed(BODY);
    request.headers_mut().remove(header).unwrap();
    request
}

fn with(header: &'static str, value: &[u8]) -> Request<Body> {
    let mut request = signed(BODY);
    request.headers_mut().insert(header, HeaderValue::from_bytes(value).unwrap());
    request
}

#[tokio::test]
async fn a_genuine_delivery_reaches_the_handler() {
    let in_frames = || {
        let frames = BODY.as_bytes().chunks(7).map(|frame| Ok::<_, io::Error>(frame.to_vec()));
        with_body(Body::from_stream(stream::iter(frames.collect::<Vec<_>>())))
    };

    accepts("in one frame", config(), || signed(BODY)).await;
    accepts("in many frames", config(), in_frames).await;
    accepts("at the limit", config().with_body_limit(BODY.len()), || signed(BODY)).await;
}

#[tokio::test]
async fn wrong_headers_are_403() {
    let both = |header, first: &[u8]| {
        let mut request = with(header, first);
        let genuine = signed(BODY).headers().get(header).unwrap().clone();
        request.headers_mut().append(header, genuine);
        request
    };
    const SIGNATURE: &str = "x-agentmail-signature";
    const TIMESTAMP: &str = "x-agentmail-timestamp";
    let unsigned = || {
        let mut request = without(SIGNATURE);
        request.headers_mut().insert("x-agentmail-unsigned", HeaderValue::from_static("1"));
        request
    };
    type Make = Box<dyn Fn() -> Request<Body>>;
    let cases: [(&str, Make); 9] = [
        ("missing_signature", Box::new(|| without(SIGNATURE))),
        ("missing_timestamp", Box::new(|| without(TIMESTAMP))),
        ("unsigned", Box::new(unsigned)),
        ("malformed_signature", Box::new(|| with(SIGNATURE, b"v1=\xff\xfe"))),
        ("malformed_timestamp", Box::new(|| with(TIMESTAMP, b"\xff"))),
        ("unsupported_scheme", Box::new(|| with(SIGNATURE, b"sha256=00"))),
        ("duplicate_signature", Box::new(move || both(SIGNATURE, b"v1=00"))),
        ("duplicate_timestamp", Box::new(move || both(TIMESTAMP, b"1"))),
        ("too_far_ahead", Box::new(|| with(TIMESTAMP, b"1700000000000"))),
    ];

    for (code, request) in cases {
        refuses(code, config(), request, (StatusCode::FORBIDDEN, code)).await;
    }
}

#[tokio::test]
async fn stale_and_forged_are_403() {
    let later = UnixTime::from_secs(1_700_000_301);
    let stale = (StatusCode::FORBIDDEN, "stale");
    let mismatch = (StatusCode::FORBIDDEN, "mismatch");

    refuses("stale", config().with_clock(later), || signed(BODY), stale).await;
    refuses("tampered", config(), || with_body(BODY.replace("msg-1", "msg-2")), mismatch).await;
    refuses("cut", config(), || with_body(&BODY[..BODY.len() - 1]), mismatch).await;
    refuses("emptied", config(), || with_body(""), mismatch).await;
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_413_before_the_body_is_read() {
    let untouchable = || {
        let body = stream::once(async { panic!("the body was read") });
        let mut request = with_body(Body::from_stream(body.map(Ok::<Bytes, io::Error>)));
        let ten_gib = HeaderValue::from_static("10737418240");
        request.headers_mut().insert("content-length", ten_gib);
        request
    };

    /// A body that reports its length. Reading it panics.
    struct Untouchable(u64);
    impl HttpBody for Untouchable {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            panic!("the body was read")
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0)
        }
    }
    let sized = |bytes| move || with_body(Body::new(Untouchable(bytes)));
    let understated = || {
        let mut request = sized(10 << 30)();
        request.headers_mut().insert("content-length", HeaderValue::from_static("3"));
        request
    };

    let expected = (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");
    refuses("10 GiB, by its header", config(), untouchable, expected).await;
    refuses("10 GiB, by its body", config(), sized(10 << 30), expected).await;
    refuses("10 GiB, by its body alone", config(), understated, expected).await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let config = config().with_body_limit(BODY.len() - 1);
    let unannounced = || {
        let body = stream::iter([Ok::<_, io::Error>(BODY)]);
        with_body(Body::from_stream(body))
    };
    let lying = || {
        let mut request = unannounced();
        request.headers_mut().insert("content-length", HeaderValue::from_static("1"));
        request
    };
    let expected = (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large");

    refuses("one over", config.clone(), || signed(BODY), expected).await;
    refuses("unannounced", config.clone(), unannounced, expected).await;
    refuses("lying", config, lying, expected).await;
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_is_408_and_a_broken_body_is_400() {
    let config = config().with_body_timeout(Duration::from_secs(1));
    let stalled = || {
        let body = stream::iter([Ok::<_, io::Error>("{")]).chain(stream::pending());
        with_body(Body::from_stream(body))
    };
    let broken = || {
        let body = stream::iter([Ok(BODY), Err(io::ErrorKind::ConnectionReset)]);
        with_body(Body::from_stream(body.map(|frame| frame.map_err(io::Error::from))))
    };

    refuses("stalled", config.clone(), stalled, (StatusCode::REQUEST_TIMEOUT, "body_timeout"))
        .await;
    refuses("broken", config, broken, (StatusCode::BAD_REQUEST, "unreadable_body")).await;
}

#[tokio::test]
async fn an_authentic_body_of_another_shape_is_422() {
    for (body, code) in [
        (&b""[..], "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
        (b"not json", "malformed_json"),
        (b"{}", "unexpected_payload"),
        (br#"{"type":"mail.bounced"}"#, "unexpected_payload"),
        (br#"{"type":"mail.received","agent_id":"","message_id":"m"}"#, "unexpected_payload"),
    ] {
        let name = body.escape_ascii().to_string();

        let expected = (StatusCode::UNPROCESSABLE_ENTITY, code);
        refuses(&name, config(), || signed(body), expected).await;
    }
}

#[tokio::test]
async fn an_unknown_type_of_event_reaches_a_handler_of_events() {
    let router =
        Router::new().route("/agentmail/webhook", post(on_event)).layer(VerifyLayer::new(config()));

    let request = signed(r#"{"type":"mail.bounced","sender":7}"#);
    let (status, _, body) = read(router.oneshot(request).await.unwrap()).await;

    assert_eq!((status, &*body), (StatusCode::OK, "mail.bounced"));
}

#[tokio::test]
async fn a_route_without_the_layer_is_500() {
    async fn on_delivery(delivery: Delivery) -> String {
        delivery.receipt().label().to_string()
    }
    for router in [
        Router::new().route("/agentmail/webhook", post(on_mail)),
        Router::new().route("/agentmail/webhook", post(on_delivery)),
    ] {
        let (status, code, body) = read(router.oneshot(signed(BODY)).await.unwrap()).await;

        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!((code, &*body), (Some("missing_layer"), ""));
    }
}

#[tokio::test]
async fn a_handler_can_take_the_refusal() {
    async fn on_mail(webhook: Result<Webhook<MailReceived>, WebhookRejection>) -> String {
        match webhook {
            Ok(Webhook(mail)) => mail.message_id,
            Err(rejection) => format!("{} {rejection}", rejection.status()),
        }
    }
    let state = AppState { webhooks: config() };
    let router: Router = Router::new().route("/", post(on_mail)).with_state(state);

    let request = Request::post("/").body(Body::empty()).unwrap();
    let (status, code, body) = read(router.oneshot(request).await.unwrap()).await;

    assert_eq!((status, code), (StatusCode::OK, None));
    assert_eq!(body, "403 Forbidden x-agentmail-signature is missing");
}

#[tokio::test]
async fn explains_a_refusal_only_on_request() {
    let config = config().with_problem_details(true);
    for router in [layer(config.clone()), extractor(config)] {
        for (request, expected) in [
            (without("x-agentmail-signature"), "missing_signature"),
            (signed("{}"), "unexpected_payload"),
        ] {
            let response = router.clone().oneshot(request).await.unwrap();

            assert_eq!(response.headers()["content-type"], "application/problem+json");
            let (_, _, body) = read(response).await;
            let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(problem["code"], expected);
            assert_ne!(problem["hint"], "");
        }
    }
}

#[tokio::test]
async fn the_handler_gets_the_delivery_and_the_raw_body() {
    async fn on_delivery(delivery: Delivery, body: Bytes) -> String {
        assert_eq!(delivery.body(), &body);
        assert_eq!(delivery.body().as_ptr(), body.as_ptr(), "no copy");
        format!("{} {}", delivery.receipt().label(), delivery.receipt().signed_at().as_secs())
    }
    let router = Router::new()
        .route("/agentmail/webhook", post(on_delivery))
        .layer(VerifyLayer::new(config()));

    let (status, _, body) = read(router.oneshot(signed(BODY)).await.unwrap()).await;

    assert_eq!((status, &*body), (StatusCode::OK, "default 1700000000"));
}

#[test]
fn no_optional_webhook_runs_a_handler_unverified() {
    use axum::extract::{FromRequest, OptionalFromRequest, OptionalFromRequestParts};
    use static_assertions::{assert_impl_all, assert_not_impl_any};

    assert_impl_all!(Webhook<MailReceived>: FromRequest<AppState>);
    assert_not_impl_any!(Webhook<MailReceived>: OptionalFromRequest<AppState>);
    assert_not_impl_any!(Verified<MailReceived>: OptionalFromRequestParts<AppState>);
    assert_not_impl_any!(Delivery: OptionalFromRequestParts<AppState>);
    assert_not_impl_any!(Webhook<MailReceived>: FromRequest<()>);
}
