//! One valid delivery. Each test changes one thing about it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part of this, and a failed test panics"
)]

use agentmail_axum::{
    Event, MailReceived, Refusal, Secret, Signer, UnixTime, Verified, Verifier, WebhookConfig,
};
use axum::{
    body::{Body, Bytes, to_bytes},
    http::{Request, Response, StatusCode},
};

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
pub(crate) const BODY: &str = concat!(
    r#"{"type":"mail.received","agent_id":"my-agent","message_id":"msg-1","#,
    r#""subject":"confidential"}"#
);

pub(crate) fn secret() -> Secret {
    Secret::new("whsec_test_secret").unwrap()
}

pub(crate) fn config() -> WebhookConfig {
    WebhookConfig::new(Verifier::new(secret())).with_clock(NOW)
}

pub(crate) fn signer() -> Signer {
    Signer::new(secret())
}

/// Returns a delivery that is signed at `NOW`.
pub(crate) fn signed(body: impl Into<Bytes>) -> Request<Body> {
    let body = body.into();
    let delivery = signer().sign(NOW, &body);
    let mut request = Request::post("/agentmail/webhook").body(Body::from(body.clone())).unwrap();
    for (name, value) in delivery.headers() {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

/// Returns the delivery with another body.
pub(crate) fn with_body(body: impl Into<Body>) -> Request<Body> {
    signed(BODY).map(|_| body.into())
}

/// Responds with the id of the message.
pub(crate) async fn on_mail(Verified(mail): Verified<MailReceived>) -> String {
    mail.message_id
}

/// Responds with the id of a mail, or with the kind of another event.
pub(crate) async fn on_event(Verified(event): Verified<Event>) -> String {
    match event {
        Event::MailReceived(mail) => mail.message_id,
        Event::Other { kind, .. } => kind,
        _ => unreachable!("there is no other variant"),
    }
}

/// Returns the status, the code of the refusal and the text of a response.
pub(crate) async fn read<B>(response: Response<B>) -> (StatusCode, Option<&'static str>, String)
where
    B: axum::body::HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let status = response.status();
    let code = response.extensions().get::<Refusal>().map(Refusal::code);
    let body = to_bytes(Body::new(response.into_body()), usize::MAX).await.unwrap();
    (status, code, String::from_utf8(body.to_vec()).unwrap())
}
