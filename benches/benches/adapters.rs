//! A whole handler in process, without verification and with each layer and extractor. The
//! difference is the cost of the verification.
#![allow(missing_docs, reason = "criterion's macros")]
#![expect(clippy::unwrap_used, reason = "a broken bench panics")]

use std::{convert::Infallible, future::ready, sync::Arc, time::Duration};

use agentmail_axum::{
    CacheConfig, Lookup, MailReceived, Secret, SignedDelivery, Signer, Source, Tenant, UnixTime,
    Verifier, WebhookConfig,
};
use axum::body::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use tokio::sync::watch;

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const SAMPLE: &str = include_str!("../../examples/sample.json");

fn config() -> WebhookConfig {
    WebhookConfig::new(Verifier::new(Secret::new("whsec_test_secret").unwrap())).with_clock(NOW)
}

/// Returns a configuration with the same secret in a channel, from which it can be replaced.
fn watched() -> WebhookConfig {
    let verifier = Verifier::new(Secret::new("whsec_test_secret").unwrap());
    WebhookConfig::new(watch::Sender::new(Arc::new(verifier)).subscribe()).with_clock(NOW)
}

/// Returns a configuration that looks the same secret up by agent, with or without a cache.
fn looked_up(cached: bool) -> WebhookConfig {
    let verifier = Verifier::new(Secret::new("whsec_test_secret").unwrap());
    let tenant = Tenant::new(verifier, "my-agent");
    let lookup = Lookup::new(
        |_| Some("my-agent".to_owned()),
        move |_| ready(Ok::<_, Infallible>(Some(tenant.clone()))),
    );
    let long = CacheConfig::default()
        .with_max_tenants(1_000)
        .with_time_to_live(Duration::from_secs(3_600));
    let source: Source = if cached { lookup.cached(long).into() } else { lookup.into() };
    WebhookConfig::new(source).with_clock(NOW)
}

fn signed() -> SignedDelivery {
    Signer::new(Secret::new("whsec_test_secret").unwrap()).sign(NOW, SAMPLE.as_bytes())
}

fn axum_handlers(c: &mut Criterion) {
    use agentmail_axum::{Verified, VerifyLayer, Webhook};
    use axum::{Json, Router, body::Body, extract::Request, http::Method, routing::post};
    use tower::ServiceExt;

    let mut headers = axum::http::HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    for (name, value) in signed().headers() {
        headers.insert(name, value.parse().unwrap());
    }
    let bare = async |Json(mail): Json<MailReceived>| mail.message_id;
    let verified = async |Verified(mail): Verified<MailReceived>| mail.message_id;
    let webhook = async |Webhook(mail): Webhook<MailReceived>| mail.message_id;
    let mut group = c.benchmark_group("axum");
    for (name, router) in [
        ("bare Json", Router::new().route("/", post(bare))),
        ("VerifyLayer and Verified", {
            Router::new().route("/", post(verified)).layer(VerifyLayer::new(config()))
        }),
        ("VerifyLayer, watched", {
            Router::new().route("/", post(verified)).layer(VerifyLayer::new(watched()))
        }),
        ("VerifyLayer, looked up", {
            Router::new().route("/", post(verified)).layer(VerifyLayer::new(looked_up(false)))
        }),
        ("VerifyLayer, looked up and cached", {
            Router::new().route("/", post(verified)).layer(VerifyLayer::new(looked_up(true)))
        }),
        ("Webhook", Router::new().route("/", post(webhook)).with_state(config())),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut request = Request::new(Body::from(Bytes::from_static(SAMPLE.as_bytes())));
                *request.method_mut() = Method::POST;
                *request.headers_mut() = headers.clone();
                let response = router.clone().oneshot(request).now_or_never().unwrap().unwrap();
                assert_eq!(response.status(), 200);
            });
        });
    }
}

fn actix_handlers(c: &mut Criterion) {
    use actix_web::{
        App, Error,
        dev::{Service, ServiceResponse},
        test::{TestRequest, init_service},
        web::{self, Json},
    };
    use agentmail_actix::{Verified, VerifyWebhook, Webhook};

    fn bench<S, B>(c: &mut Criterion, name: &str, service: S)
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    {
        let signed = signed();
        c.bench_function(&format!("actix-web/{name}"), |b| {
            b.iter(|| {
                let mut request =
                    TestRequest::post().insert_header(("content-type", "application/json"));
                for line in signed.headers() {
                    request = request.append_header(line);
                }
                let request =
                    request.set_payload(Bytes::from_static(SAMPLE.as_bytes())).to_request();
                let response = service.call(request).now_or_never().unwrap().unwrap();
                assert_eq!(response.status(), 200);
            });
        });
    }

    actix_web::rt::System::new().block_on(async {
        let bare = web::post().to(async |Json(mail): Json<MailReceived>| mail.message_id);
        bench(c, "bare Json", init_service(App::new().route("/", bare)).await);

        let verified =
            web::post().to(async |Verified(mail): Verified<MailReceived>| mail.message_id);
        let app = App::new().wrap(VerifyWebhook::new(config())).route("/", verified);
        bench(c, "VerifyWebhook and Verified", init_service(app).await);

        let webhook = web::post().to(async |Webhook(mail): Webhook<MailReceived>| mail.message_id);
        let app = App::new().app_data(config()).route("/", webhook);
        bench(c, "Webhook", init_service(app).await);
    });
}

criterion_group!(benches, axum_handlers, actix_handlers);
criterion_main!(benches);
