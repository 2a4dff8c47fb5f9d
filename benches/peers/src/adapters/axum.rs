use agentmail_axum::{MailReceived, Verified, VerifyLayer, Webhook};
use axum::{Json, Router, body::Body, extract::Request, routing::post};
use axum_standardwebhooks::{SharedWebhook, StandardWebhook};
use blooio::webhook::{VerifiedWebhook, WebhookVerifier};
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use tower::{Service, ServiceBuilder, ServiceExt, layer::layer_fn, service_fn};

use super::{Collected, SAMPLE, blooio_sample, config, read, signature_headers};
use crate::{
    core::SECRET,
    rounds::{Contender, Group, contender},
};

pub fn group() -> Group {
    let bare = || Router::new().route("/", post(async |body: Bytes| read(&body)));
    let json = async |Json(mail): Json<MailReceived>| mail.message_id;
    let verified = async |Verified(mail): Verified<MailReceived>| mail.message_id;
    let webhook = async |Webhook(mail): Webhook<MailReceived>| mail.message_id;
    Group {
        name: "adapters",
        case: "axum, one delivery",
        bytes: SAMPLE.len(),
        added: true,
        contenders: vec![
            served("bare: the body and serde_json", SAMPLE, bare()),
            served("VerifyLayer + Verified<MailReceived>", SAMPLE, {
                Router::new().route("/", post(verified)).layer(VerifyLayer::new(config()))
            }),
            served("Webhook<MailReceived>", SAMPLE, {
                Router::new().route("/", post(webhook)).with_state(config())
            }),
            served("Json<MailReceived>, no verification", SAMPLE, {
                Router::new().route("/", post(json))
            }),
            served("an empty layer that collects the body", SAMPLE, collecting(bare())),
            served("blooio's VerifiedWebhook (its own event)", &blooio_sample(), blooio()),
            served("webhook-verify's layer", SAMPLE, webhook_verify(bare())),
            served("axum-standardwebhooks", SAMPLE, standard_webhooks()),
        ],
    }
}

/// Sends the service one request, with the signature headers of every contender.
fn served<S, B>(name: &'static str, body: &str, service: S) -> Contender
where
    S: Service<Request, Response = http::Response<B>> + Clone + 'static,
{
    let request = request(body);
    contender(name, true, move || {
        let response = service.clone().oneshot(request()).now_or_never();
        response.is_some_and(|response| response.is_ok_and(|response| response.status() == 200))
    })
}

/// Returns a function that creates requests with this body.
pub(super) fn request(body: &str) -> impl Fn() -> Request + 'static {
    let headers = signature_headers(body.as_bytes()).into_iter().map(|(name, value)| {
        let value = HeaderValue::from_str(&value).expect("it is ASCII");
        (http::HeaderName::from_static(name), value)
    });
    let headers: HeaderMap = headers.collect();
    let body = Bytes::copy_from_slice(body.as_bytes());
    move || {
        let mut request = Request::new(Body::from(body.clone()));
        *request.method_mut() = http::Method::POST;
        *request.headers_mut() = headers.clone();
        request
    }
}

/// Does what every verifying layer must do: collects the body, inserts an extension, and calls the
/// inner service.
fn collecting(router: Router) -> Router {
    router.layer(layer_fn(|inner: axum::routing::Route| {
        service_fn(move |request: Request| {
            let inner = inner.clone();
            async move {
                let (mut parts, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                parts.extensions.insert(Collected(body.clone(), [0; 64]));
                inner.oneshot(Request::from_parts(parts, Body::from(body))).await
            }
        })
    }))
}

fn blooio() -> Router {
    let handler = async |VerifiedWebhook(event): VerifiedWebhook| {
        event.payload.message_id.unwrap_or_default()
    };
    Router::new().route("/", post(handler)).with_state(WebhookVerifier::new(SECRET))
}

fn webhook_verify(
    inner: Router,
) -> impl Service<Request, Response = http::Response<impl Sized>> + Clone {
    use webhook_verify::{Provider, Secret, tower::VerifyLayer};

    ServiceBuilder::new()
        .layer(VerifyLayer::<Bytes>::new(Provider::Stripe, Secret::new(SECRET)))
        .map_request(|request: http::Request<Bytes>| request.map(Body::from))
        .service(inner)
}

fn standard_webhooks() -> Router {
    let webhook = axum_standardwebhooks::Webhook::from_bytes(SECRET.into()).expect("a secret");
    let handler = async |StandardWebhook(body): StandardWebhook<Bytes>| read(&body);
    Router::new().route("/", post(handler)).with_state(SharedWebhook::new(webhook))
}
