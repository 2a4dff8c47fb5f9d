use actix_http::Request;
use actix_web::{
    App, Error, HttpMessage,
    body::MessageBody,
    dev::{Payload, Service, ServiceRequest, ServiceResponse},
    http::header::{HeaderMap, HeaderName, HeaderValue},
    middleware::{Next, from_fn},
    rt::System,
    test::init_service,
    web::{self, Json},
};
use agentmail_actix::{MailReceived, Verified, VerifyWebhook, Webhook};
use blooio::webhook::{VerifiedWebhook, WebhookVerifier};
use bytes::Bytes;
use futures_util::FutureExt;

use super::{Collected, SAMPLE, blooio_sample, config, read, signature_headers};
use crate::{
    core::SECRET,
    rounds::{Contender, Group, contender},
};

pub fn group() -> Group {
    Group {
        name: "adapters",
        case: "actix-web, one delivery",
        bytes: SAMPLE.len(),
        added: true,
        contenders: System::new().block_on(contenders()),
    }
}

async fn contenders() -> Vec<Contender> {
    let bare = || web::post().to(async |body: Bytes| read(&body));
    let json = web::post().to(async |Json(mail): Json<MailReceived>| mail.message_id);
    let verified = web::post().to(async |Verified(mail): Verified<MailReceived>| mail.message_id);
    let webhook = web::post().to(async |Webhook(mail): Webhook<MailReceived>| mail.message_id);
    let blooio = web::post().to(async |VerifiedWebhook(event): VerifiedWebhook| {
        event.payload.message_id.unwrap_or_default()
    });
    vec![
        served(
            "bare: the body and serde_json",
            SAMPLE,
            init_service(App::new().route("/", bare())).await,
        ),
        served("VerifyWebhook + Verified<MailReceived>", SAMPLE, {
            init_service(App::new().wrap(VerifyWebhook::new(config())).route("/", verified)).await
        }),
        served("Webhook<MailReceived>", SAMPLE, {
            init_service(App::new().app_data(config()).route("/", webhook)).await
        }),
        served(
            "Json<MailReceived>, no verification",
            SAMPLE,
            init_service(App::new().route("/", json)).await,
        ),
        served("an empty middleware that collects the body", SAMPLE, {
            init_service(App::new().wrap(from_fn(collect)).route("/", bare())).await
        }),
        served("blooio's VerifiedWebhook (its own event)", &blooio_sample(), {
            let verifier = WebhookVerifier::new(SECRET);
            init_service(App::new().app_data(verifier).route("/", blooio)).await
        }),
    ]
}

/// Sends the app one request, with the signature headers of every contender.
fn served<S, B>(name: &'static str, body: &str, service: S) -> Contender
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error> + 'static,
{
    let mut headers = HeaderMap::new();
    for (name, value) in signature_headers(body.as_bytes()) {
        let value = HeaderValue::from_str(&value).expect("it is ASCII");
        headers.insert(HeaderName::from_static(name), value);
    }
    let body = Bytes::copy_from_slice(body.as_bytes());
    contender(name, true, move || {
        let mut request = Request::with_payload(Payload::from(body.clone()));
        request.head_mut().method = actix_web::http::Method::POST;
        request.head_mut().headers = headers.clone();
        let response = service.call(request).now_or_never();
        response.is_some_and(|response| response.is_ok_and(|response| response.status() == 200))
    })
}

/// Does what every verifying middleware must do: collects the payload, inserts an extension, and
/// calls the inner service.
async fn collect(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let body = request.extract::<Bytes>().await?;
    request.set_payload(Payload::from(body.clone()));
    request.extensions_mut().insert(Collected(body, [0; 64]));
    next.call(request).await
}
