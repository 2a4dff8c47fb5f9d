//! The actix-web middleware and extractor.

use actix_web::{
    App, Error, Route,
    body::MessageBody,
    dev::{Payload, Service, ServiceResponse},
    error::PayloadError,
    http::header::{HeaderName, HeaderValue},
    test::{TestRequest, init_service, read_body},
    web,
};
use agentmail_actix::{Delivery, Event, MailReceived, Refusal, Verified, VerifyWebhook, Webhook};
use futures_util::StreamExt;

use super::case::{Case, Response, Takes, text_of};

pub(crate) async fn middleware(case: &Case) -> Response {
    let check = case.check();
    let route = match case.takes {
        Takes::Event => web::post().to(move |delivery: Delivery, event: Verified<Event>| {
            check(&delivery);
            async move { text_of(&event.0) }
        }),
        Takes::Mail => web::post().to(move |delivery: Delivery, mail: Verified<MailReceived>| {
            check(&delivery);
            async move { mail.0.message_id }
        }),
    };
    let verify = VerifyWebhook::new(case.config());
    send(case, init_service(App::new().wrap(verify).default_service(route)).await).await
}

pub(crate) async fn extractor(case: &Case) -> Response {
    let route: Route = match case.takes {
        Takes::Event => web::post().to(async |event: Webhook<Event>| text_of(&event.0)),
        Takes::Mail => web::post().to(async |mail: Webhook<MailReceived>| mail.0.message_id),
    };
    send(case, init_service(App::new().app_data(case.config()).default_service(route)).await).await
}

async fn send<B: MessageBody>(
    case: &Case,
    app: impl Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
) -> Response {
    let mut request = TestRequest::post().uri(&case.path);
    for (name, value) in case.headers() {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request = request.append_header((name, HeaderValue::from_bytes(&value).unwrap()));
    }
    let body = case.body().map(|frame| frame.map(Into::into).map_err(PayloadError::Io));
    let (request, _) =
        request.to_request().replace_payload(Payload::Stream { payload: body.boxed_local() });

    let response = app.call(request).await.unwrap();

    let status = response.status().as_u16();
    let refusal = response.response().extensions().get::<Refusal>().copied();
    let code = refusal.map(|refusal| refusal.code().to_owned());
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.map(|value| value.to_str().unwrap().to_owned());
    let body = read_body(response).await;
    Response { status, code, retry_after, body: String::from_utf8(body.to_vec()).unwrap() }
}
