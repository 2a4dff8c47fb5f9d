//! What the log contains, and what it must never contain.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::{
    future::ready,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use agentmail_axum::{
    Delivery, Lookup, MailReceived, Refusal, Tenant, UnixTime, Verified, Verifier, VerifyLayer,
    Webhook, WebhookConfig, WebhookRejection,
};
use axum::{
    Router,
    body::Body,
    http::Request,
    response::{IntoResponse, Response},
    routing::post,
};
use tower::{Layer, ServiceExt};
use tracing_subscriber::fmt::MakeWriter;

use common::{BODY, config, on_mail, signed, with_body};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Returns everything that is logged while the router handles a request, at every level.
async fn log_of(router: Router, request: Request<Body>) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    router.oneshot(request).await.unwrap();
    drop(guard);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn router() -> Router {
    Router::new().route("/agentmail/webhook", post(on_mail)).layer(VerifyLayer::new(config()))
}

fn lines_of(log: &str, level: &str) -> usize {
    log.lines().filter(|line| line.contains(&format!("{level} agentmail"))).count()
}

#[tokio::test]
async fn each_refusal_is_logged_once_at_its_level_with_its_code() {
    let at = |secs| {
        let config = config().with_clock(UnixTime::from_secs(secs));
        Router::new().route("/agentmail/webhook", post(on_mail)).layer(VerifyLayer::new(config))
    };
    let (late, early) = (at(1_700_000_301), at(1_699_999_699));
    let declared_unsigned = Request::post("/agentmail/webhook").header("x-agentmail-unsigned", "1");
    let declared_unsigned = declared_unsigned.body(Body::from(BODY)).unwrap();
    let of = |lookup: Lookup<()>| {
        let config = WebhookConfig::new(lookup).with_clock(common::NOW);
        Router::new().route("/agentmail/webhook", post(on_mail)).layer(VerifyLayer::new(config))
    };
    let another = || Tenant::new(Verifier::new(common::secret()), "another-agent");
    let bound = of(Lookup::new(|_| Some(()), move |()| ready(Ok::<_, String>(Some(another())))));
    let empty = of(Lookup::new(|_| Some(()), |()| ready(Ok::<_, String>(None))));
    let failing = of(Lookup::new(|_| Some(()), |()| ready(Err("the store is down"))));
    let open = Router::new().route("/agentmail/webhook", post(on_mail));
    let unsigned = Request::post("/agentmail/webhook").body(Body::from(BODY)).unwrap();

    for (router, request, level, code) in [
        (router(), unsigned, "DEBUG", "missing_signature"),
        (late, signed(BODY), "WARN", "stale"),
        (early, signed(BODY), "WARN", "too_far_ahead"),
        (router(), declared_unsigned, "WARN", "unsigned"),
        (router(), with_body("forged"), "WARN", "mismatch"),
        (router(), signed("{}"), "WARN", "unexpected_payload"),
        (bound, signed(BODY), "WARN", "other_agent"),
        (empty, signed(BODY), "WARN", "unknown_tenant"),
        (failing.clone(), signed(BODY), "WARN", "lookup_failed"),
        (open, signed(BODY), "ERROR", "missing_layer"),
    ] {
        let log = log_of(router, request).await;

        assert!(log.contains(&format!("code=\"{code}\"")), "{code}: {log}");
        let refusals: Vec<_> = log.lines().filter(|line| line.contains("code=")).collect();
        assert_eq!(refusals.len(), 1, "{code}: {log}");
        assert_eq!(lines_of(refusals[0], level), 1, "{code}: {log}");
    }

    let log = log_of(failing, signed(BODY)).await;
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("error=\"the store is down\""), "{log}");
}

/// Refuses requests for longer than a minute, and returns what is logged at info and above.
async fn minute_of(router: Router, requests: impl IntoIterator<Item = Request<Body>>) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    for request in requests {
        router.clone().oneshot(request).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(61)).await;
    drop(guard);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_forgeries_writes_five_lines_and_a_sum() {
    let log = minute_of(router(), (0..1_000).map(|_| with_body("forged"))).await;

    assert_eq!(log.matches("code=\"mismatch\"").count(), 6, "{log}");
    let sum = log.lines().last().unwrap();
    assert!(sum.contains("refused with this code in the last minute"), "{log}");
    assert!(sum.contains("code=\"mismatch\" count=1000"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn malformed_requests_are_summed_up_although_each_is_logged_at_debug() {
    let unsigned = || Request::post("/agentmail/webhook").body(Body::empty()).unwrap();

    let log = minute_of(router(), (0..3).map(|_| unsigned())).await;

    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("code=\"missing_signature\" count=3"), "{log}");
    assert_eq!(lines_of(&log, "WARN"), 1, "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_few_refusals_are_not_summed_up() {
    let log = minute_of(router(), (0..5).map(|_| with_body("forged"))).await;

    assert_eq!(log.lines().count(), 5, "{log}");
    assert_eq!(minute_of(router(), [signed(BODY)]).await, "");
}

#[tokio::test]
async fn each_line_about_a_request_has_its_path_and_its_tenant() {
    let tenant = || Tenant::new(Verifier::new(common::secret()), "my-agent");
    let config = |now| WebhookConfig::new(tenant()).with_clock(UnixTime::from_secs(now));
    let on = |now| {
        Router::new()
            .route("/agentmail/webhook", post(on_mail))
            .layer(VerifyLayer::new(config(now)))
    };
    let now = 1_700_000_000;
    let mistyped = BODY.replace('}', r#","peer_trust_tier":[]}"#);

    for (name, router, request) in [
        ("accepted", on(now), signed(BODY)),
        ("stale", on(now + 301), signed(BODY)),
        ("mismatch", on(now), with_body("forged")),
        ("unexpected_payload", on(now), signed(r#"{"type":"x","agent_id":"my-agent"}"#)),
        ("mistyped", on(now), signed(mistyped)),
    ] {
        for line in log_of(router, request).await.lines() {
            assert!(line.contains("path=\"/agentmail/webhook\""), "{name}: {line}");
            assert!(line.contains("tenant=\"my-agent\""), "{name}: {line}");
        }
    }

    let no_layer = Router::new().route("/agentmail/webhook", post(on_mail));
    let log = log_of(no_layer, signed(BODY)).await;
    assert!(log.contains("code=\"missing_layer\""), "{log}");
    assert!(log.contains("path=\"/agentmail/webhook\""), "{log}");
}

#[tokio::test]
async fn a_path_is_logged_escaped_and_bounded() {
    let router = Router::new().fallback(on_mail).layer(VerifyLayer::new(config()));
    let path = format!("/%0a%1b%22{}?token=hush", "a".repeat(10_000));
    let request = Request::post(path).body(Body::empty()).unwrap();

    let log = log_of(router, request).await;

    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.len() < 1_000, "{} bytes", log.len());
    assert!(!log.contains("hush"), "{log}");
}

#[tokio::test]
async fn the_hint_names_a_content_encoding() {
    let encoded = |mut request: Request<Body>, coding: &str| {
        request.headers_mut().insert("content-encoding", coding.parse().unwrap());
        request
    };

    for (request, code, named) in [
        (encoded(with_body("forged"), "gzip"), "mismatch", true),
        (encoded(signed("\x1f\u{8b}"), "br"), "malformed_json", true),
        (encoded(signed("{}"), "gzip"), "unexpected_payload", true),
        (encoded(with_body("forged"), "identity"), "mismatch", false),
        (with_body("forged"), "mismatch", false),
        (signed("{}"), "unexpected_payload", false),
    ] {
        let log = log_of(router(), request).await;

        assert!(log.contains(&format!("code=\"{code}\"")), "{code}: {log}");
        assert_eq!(log.contains("`Content-Encoding`"), named, "{code}: {log}");
    }
}

#[tokio::test]
async fn a_refusal_that_a_handler_turns_into_its_own_error_is_logged_once() {
    struct AppError(WebhookRejection);
    impl From<WebhookRejection> for AppError {
        fn from(rejection: WebhookRejection) -> Self {
            Self(rejection)
        }
    }
    impl IntoResponse for AppError {
        fn into_response(self) -> Response {
            self.0.into_response()
        }
    }
    async fn own_error(
        webhook: Result<Webhook<MailReceived>, WebhookRejection>,
    ) -> Result<(), AppError> {
        webhook?;
        Ok(())
    }
    async fn own_text(webhook: Result<Webhook<MailReceived>, WebhookRejection>) -> String {
        webhook.err().map(|rejection| rejection.to_string()).unwrap_or_default()
    }

    for (route, refused) in [(post(own_error), true), (post(own_text), false)] {
        let router = Router::new().route("/agentmail/webhook", route).with_state(config());
        let response = router.clone().oneshot(with_body("forged")).await.unwrap();
        let refusal = response.extensions().get::<Refusal>().map(Refusal::code);
        assert_eq!(refusal, refused.then_some("mismatch"));

        let log = log_of(router, with_body("forged")).await;
        assert_eq!(log.matches("code=\"mismatch\"").count(), 1, "{log}");
    }
}

#[tokio::test]
async fn an_accepted_delivery_names_the_secret_that_matched() {
    let log = log_of(router(), signed(BODY)).await;

    assert!(log.contains("secret_label=\"default\""), "{log}");
    assert_eq!(lines_of(&log, "DEBUG"), 1, "{log}");
}

#[tokio::test]
async fn a_field_of_another_type_is_named_once_at_warn_and_then_at_debug() {
    let body = BODY.replace('}', r#","rate_limited":"confidential"}"#);

    let logs = [log_of(router(), signed(body.clone())).await, log_of(router(), signed(body)).await];

    for (log, level) in logs.iter().zip(["WARN", "DEBUG"]) {
        let line = log.lines().find(|line| line.contains("field=\"rate_limited\"")).unwrap();
        assert_eq!(lines_of(line, level), 1, "{log}");
        assert!(!log.contains("confidential"), "{log}");
    }
}

#[tokio::test]
async fn nothing_of_the_mail_and_no_secret_is_ever_logged() {
    async fn result(webhook: Result<Webhook<MailReceived>, WebhookRejection>) {
        tracing::info!(?webhook, "what a user may log");
    }
    async fn verified(verified: Verified<MailReceived>) {
        tracing::info!(?verified, "what a user may log");
    }
    let user = Router::new().route("/agentmail/webhook", post(result)).with_state(config());
    let layered = Router::new()
        .route("/agentmail/webhook", post(verified))
        .layer(VerifyLayer::new(config().with_problem_details(true)));

    for router in [router(), user, layered] {
        for request in [
            signed(BODY),
            signed(r#"{"type":"mail.received","subject":"confidential"}"#),
            signed(concat!(
                r#"{"type":"mail.received","agent_id":"a","message_id":1,"#,
                r#""subject":"confidential"}"#
            )),
            signed(r#"["confidential"]"#),
            signed(r#""confidential"#),
            with_body("confidential"),
            signed(BODY).map(|_| Body::from(BODY.replace("confidential", "confidential too"))),
        ] {
            let signature = request.headers()["x-agentmail-signature"].to_str().unwrap().to_owned();

            let log = log_of(router.clone(), request).await;

            assert!(!log.is_empty());
            for never in ["confidential", "whsec", "test_secret", &signature[3..]] {
                assert!(!log.contains(never), "{never}: {log}");
            }
        }
    }
}

#[test]
fn debug_of_the_public_types_shows_neither_secret_nor_content() {
    let request = signed(BODY);
    let delivery = Delivery::sign(&common::signer(), common::NOW, BODY);
    let mail: MailReceived = delivery.json().unwrap();
    let service = VerifyLayer::new(config()).layer(router());

    for shown in [
        format!("{:?}", VerifyLayer::new(config())),
        format!("{service:?}"),
        format!("{:?}", service.oneshot(request)),
        format!("{:?}", Verified(mail.clone())),
        format!("{:?}", Webhook(mail)),
        format!("{:?}", delivery.json::<Vec<u8>>()),
        format!("{delivery:?}"),
    ] {
        for never in ["confidential", "whsec", "test_secret"] {
            assert!(!shown.contains(never), "{shown}");
        }
    }
}
