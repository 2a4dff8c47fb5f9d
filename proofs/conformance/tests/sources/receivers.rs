//! Four receivers, each a function from a request to a response: the layer and the extractor of
//! both adapters.

use std::rc::Rc;

use agentmail_receive::{Refusal, WebhookConfig};
use futures_util::{FutureExt, future::LocalBoxFuture};

/// A request: its path, its headers and its body.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// A response: its status, the code of the refusal, and the header `retry-after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) code: Option<&'static str>,
    pub(crate) retry_after: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) name: &'static str,
    send: Rc<dyn Fn(Sent) -> LocalBoxFuture<'static, Response>>,
}

impl Receiver {
    fn new<F>(name: &'static str, send: impl Fn(Sent) -> F + 'static) -> Self
    where
        F: Future<Output = Response> + 'static,
    {
        Self { name, send: Rc::new(move |sent| send(sent).boxed_local()) }
    }

    pub(crate) async fn send(&self, sent: Sent) -> Response {
        (self.send)(sent).await
    }
}

/// Returns all receivers, each with its own configuration.
pub(crate) async fn receivers(config: impl Fn() -> WebhookConfig) -> [Receiver; 4] {
    [
        axum::layer(config()),
        axum::extractor(config()),
        actix::middleware(config()).await,
        actix::extractor(config()).await,
    ]
}

fn to_response(status: u16, refusal: Option<&Refusal>, retry_after: Option<&[u8]>) -> Response {
    let retry_after = retry_after.map(|value| String::from_utf8_lossy(value).into_owned());
    Response { status, code: refusal.map(Refusal::code), retry_after }
}

mod axum {
    use agentmail_axum::{Event, Verified, VerifyLayer, Webhook};
    use axum::{Router, body::Body, http::Request, routing::post};
    use tower::ServiceExt;

    use super::{Receiver, Response, Sent, WebhookConfig, to_response};

    const ROUTE: &str = "/agents/{agent}/webhook";

    pub(super) fn layer(config: WebhookConfig) -> Receiver {
        let route = post(async |_: Verified<Event>| ());
        serve("axum layer", Router::new().route(ROUTE, route).layer(VerifyLayer::new(config)))
    }

    pub(super) fn extractor(config: WebhookConfig) -> Receiver {
        let route = post(async |_: Webhook<Event>| ());
        serve("axum extractor", Router::new().route(ROUTE, route).with_state(config))
    }

    fn serve(name: &'static str, router: Router) -> Receiver {
        Receiver::new(name, move |sent| send(router.clone(), sent))
    }

    async fn send(router: Router, sent: Sent) -> Response {
        let mut request = Request::post(sent.path);
        for (name, value) in sent.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(sent.body)).unwrap();

        let response = router.oneshot(request).await.unwrap();

        let retry_after = response.headers().get("retry-after").map(|value| value.as_bytes());
        to_response(response.status().as_u16(), response.extensions().get(), retry_after)
    }
}

mod actix {
    use std::rc::Rc;

    use actix_web::{
        App, Error,
        body::MessageBody,
        dev::{Service, ServiceResponse},
        test::{TestRequest, init_service},
        web,
    };
    use agentmail_actix::{Event, Verified, VerifyWebhook, Webhook};

    use super::{Receiver, Response, Sent, WebhookConfig, to_response};

    const ROUTE: &str = "/agents/{agent}/webhook";

    pub(super) async fn middleware(config: WebhookConfig) -> Receiver {
        let route = web::post().to(async |_: Verified<Event>| "");
        let resource = web::resource(ROUTE).wrap(VerifyWebhook::new(config)).route(route);
        serve("actix middleware", init_service(App::new().service(resource)).await)
    }

    pub(super) async fn extractor(config: WebhookConfig) -> Receiver {
        let route = web::post().to(async |_: Webhook<Event>| "");
        let app = App::new().app_data(config).route(ROUTE, route);
        serve("actix extractor", init_service(app).await)
    }

    fn serve<S, B>(name: &'static str, app: S) -> Receiver
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error> + 'static,
        B: MessageBody + 'static,
    {
        let app = Rc::new(app);
        Receiver::new(name, move |sent| send(Rc::clone(&app), sent))
    }

    async fn send<S, B>(app: Rc<S>, sent: Sent) -> Response
    where
        S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
        B: MessageBody,
    {
        let mut request = TestRequest::post().uri(&sent.path);
        for header in sent.headers {
            request = request.append_header(header);
        }

        let response = app.call(request.set_payload(sent.body).to_request()).await.unwrap();

        let response = response.response();
        let retry_after = response.headers().get("retry-after").map(|value| value.as_bytes());
        to_response(response.status().as_u16(), response.extensions().get(), retry_after)
    }
}
