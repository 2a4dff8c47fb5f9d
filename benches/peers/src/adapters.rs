//! A whole axum handler, in process: what each way of verifying adds to a bare one.

use std::convert::Infallible;

use agentmail_axum::{
    Clock, MailReceived, Secret, Signer, SystemClock, Verified, Verifier, VerifyLayer, Webhook,
    WebhookConfig,
};
use axum::{Json, Router, body::Body, extract::Request, response::Response, routing::post};
use axum_standardwebhooks::{SharedWebhook, StandardWebhook};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};

use crate::{
    core::{SECRET, standard_signature},
    rounds::{Contender, Group, contender},
};

/// The vendor's sample.
const SAMPLE: &str = include_str!("../../../examples/sample.json");

pub fn groups() -> Vec<Group> {
    let config = || WebhookConfig::new(Verifier::new(Secret::new(SECRET).expect("a secret")));
    let bare =
        || Router::new().route("/", post(async |Json(mail): Json<MailReceived>| mail.message_id));
    let standard = || {
        let webhook = axum_standardwebhooks::Webhook::from_bytes(SECRET.into()).expect("a secret");
        let handler = async |StandardWebhook(Json(mail)): StandardWebhook<Json<MailReceived>>| {
            mail.message_id
        };
        Router::new().route("/", post(handler)).with_state(SharedWebhook::new(webhook))
    };
    let webhook_verify = || {
        use webhook_verify::{Provider, Secret, tower::VerifyLayer};

        tower::ServiceBuilder::new()
            .layer(VerifyLayer::<Bytes>::new(Provider::Stripe, Secret::new(SECRET)))
            .map_request(|request: http::Request<Bytes>| request.map(Body::from))
            .service(bare())
    };
    vec![Group {
        name: "adapters",
        case: "axum, one delivery",
        bytes: SAMPLE.len(),
        added: true,
        contenders: vec![
            served("bare Json<MailReceived>", bare()),
            served("VerifyLayer + Verified<MailReceived>", {
                let handler = async |Verified(mail): Verified<MailReceived>| mail.message_id;
                Router::new().route("/", post(handler)).layer(VerifyLayer::new(config()))
            }),
            served("Webhook<MailReceived>", {
                let handler = async |Webhook(mail): Webhook<MailReceived>| mail.message_id;
                Router::new().route("/", post(handler)).with_state(config())
            }),
            served("an empty layer that collects and hands on", bare().layer(CollectLayer)),
            served("axum-standardwebhooks", standard()),
            served("webhook-verify's layer", webhook_verify()),
        ],
    }]
}

/// Sends the router one request, with the signature headers of every contender.
fn served<S, B>(name: &'static str, service: S) -> Contender
where
    S: Service<Request, Response = http::Response<B>> + Clone + 'static,
{
    let mut headers = HeaderMap::new();
    let signer = Signer::new(Secret::new(SECRET).expect("a secret"));
    let signed = signer.sign(SystemClock.now(), SAMPLE.as_bytes());
    let stripe = format!("t={},{}", signed.timestamp(), signed.signature());
    let standard = standard_signature(signed.timestamp(), SAMPLE.as_bytes());
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-agentmail-timestamp", signed.timestamp()),
        ("x-agentmail-signature", signed.signature()),
        ("stripe-signature", &stripe),
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", signed.timestamp()),
        ("webhook-signature", &standard),
    ] {
        headers.insert(name, HeaderValue::from_str(value).expect("it is ASCII"));
    }
    contender(name, true, move || {
        let mut request = Request::new(Body::from(Bytes::from_static(SAMPLE.as_bytes())));
        *request.method_mut() = http::Method::POST;
        *request.headers_mut() = headers.clone();
        let response = service.clone().oneshot(request).now_or_never();
        response.is_some_and(|response| response.is_ok_and(|response| response.status() == 200))
    })
}

/// Does what a verifying layer cannot avoid: collects the body, inserts an extension, hands on.
#[derive(Clone)]
struct CollectLayer;

#[derive(Clone)]
struct Collect<S>(S);

/// As large as what our layer leaves.
#[derive(Clone)]
struct Collected(
    #[expect(dead_code, reason = "only its weight counts")] Bytes,
    #[expect(dead_code, reason = "likewise")] [u8; 64],
);

impl<S> Layer<S> for CollectLayer {
    type Service = Collect<S>;

    fn layer(&self, inner: S) -> Collect<S> {
        Collect(inner)
    }
}

impl<S> Service<Request> for Collect<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = futures_util::future::BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            parts.extensions.insert(Collected(body.clone(), [0; 64]));
            inner.oneshot(Request::from_parts(parts, Body::from(body))).await
        })
    }
}
