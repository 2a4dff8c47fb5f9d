//! The axum layer and extractor.

use agentmail_axum::{
    Delivery, Event, MailReceived, Refusal, Verified, VerifyLayer, Webhook, WebhookConfig,
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderName, HeaderValue, Request},
    routing::{MethodRouter, post},
};
use tower::ServiceExt;

use super::case::{Case, Response, Takes, text_of};

pub(crate) async fn layer(case: &Case) -> Response {
    let check = case.check();
    let route: MethodRouter = match case.takes {
        Takes::Event => post(async move |delivery: Delivery, Verified(event): Verified<Event>| {
            check(&delivery);
            text_of(&event)
        }),
        Takes::Mail => {
            post(async move |delivery: Delivery, Verified(mail): Verified<MailReceived>| {
                check(&delivery);
                mail.message_id
            })
        }
    };
    let router = Router::new().route("/", route.clone()).route("/{*path}", route);
    send(case, router.layer(VerifyLayer::new(case.config()))).await
}

pub(crate) async fn extractor(case: &Case) -> Response {
    let route: MethodRouter<WebhookConfig> = match case.takes {
        Takes::Event => post(async |Webhook(event): Webhook<Event>| text_of(&event)),
        Takes::Mail => post(async |Webhook(mail): Webhook<MailReceived>| mail.message_id),
    };
    let router = Router::new().route("/", route.clone()).route("/{*path}", route);
    send(case, router.with_state(case.config())).await
}

async fn send(case: &Case, router: Router) -> Response {
    let mut request = Request::post(&case.path).body(Body::from_stream(case.body())).unwrap();
    for (name, value) in case.headers() {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(&value).unwrap());
    }

    let response = router.oneshot(request).await.unwrap();

    let status = response.status().as_u16();
    let code = response.extensions().get::<Refusal>().map(|refusal| refusal.code().to_owned());
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Response { status, code, retry_after, body: String::from_utf8(body.to_vec()).unwrap() }
}
