use std::convert::Infallible;

use actix_web::{
    App,
    body::BoxBody,
    dev::{Service, ServiceResponse},
    test::{TestRequest, init_service},
};
use agentmail_inbox::Inbox;
use agentmail_receive::dedupe::{Claims, MemoryStore};
use axum::{Router, body::Body};
use tower::ServiceExt;

use crate::requests::{Request, verifier, verifier_of};

type Actix = Box<dyn Fn(actix_http::Request) -> futures_util::future::LocalBoxFuture<'static, u16>>;

/// An app of each adapter: a route with claims, whose handler stores in the inbox, and a route for
/// each tenant.
pub(crate) struct Apps {
    axum: Router,
    actix: Actix,
}

impl Apps {
    pub(crate) async fn new(inbox: &Inbox) -> Self {
        let claims = Claims::new(MemoryStore::new());
        Self { axum: axum(inbox, &claims), actix: actix(inbox, &claims).await }
    }

    /// Sends a request to one of the apps, and returns the status.
    pub(crate) async fn send(&self, axum: bool, request: Request) -> u16 {
        if axum {
            let mut builder = axum::http::Request::post(&request.path);
            for (name, value) in &request.headers {
                builder = builder.header(name, value);
            }
            let request = builder.body(Body::from(request.body)).unwrap();
            self.axum.clone().oneshot(request).await.unwrap().status().as_u16()
        } else {
            let mut builder = TestRequest::post().uri(&request.path);
            for (name, value) in &request.headers {
                builder = builder.append_header((name.as_str(), value.as_str()));
            }
            (self.actix)(builder.set_payload(request.body).to_request()).await
        }
    }
}

fn agent(path: &str) -> Option<String> {
    agentmail_receive::path_segment(path, "/agents/", "/webhook")
}

fn axum(inbox: &Inbox, claims: &Claims) -> Router {
    use agentmail_axum::{Delivery, Lookup, Tenant, VerifyLayer, WebhookRejection};
    use axum::{extract::State, routing::post};

    async fn store(State(inbox): State<Inbox>, delivery: Delivery) -> Result<(), WebhookRejection> {
        inbox.store(&delivery).await?;
        Ok(())
    }

    let lookup = Lookup::new(
        |parts| agent(parts.uri.path()),
        async |agent: String| Ok::<_, Infallible>(tenant(agent, Tenant::new)),
    );
    let verify = VerifyLayer::new(verifier()).dedupe(claims.clone(), "axum");
    Router::new()
        .route("/webhook", post(store).route_layer(verify))
        .route("/agents/{agent}/webhook", post(store).route_layer(VerifyLayer::new(lookup)))
        .with_state(inbox.clone())
}

async fn actix(inbox: &Inbox, claims: &Claims) -> Actix {
    use actix_web::web;
    use agentmail_actix::{Delivery, Lookup, Tenant, VerifyWebhook, WebhookRejection};

    async fn store(
        inbox: web::Data<Inbox>,
        delivery: Delivery,
    ) -> Result<&'static str, WebhookRejection> {
        inbox.store(&delivery).await?;
        Ok("stored")
    }

    let lookup = Lookup::new(
        |request| agent(request.path()),
        async |agent: String| Ok::<_, Infallible>(tenant(agent, Tenant::new)),
    );
    let verify = VerifyWebhook::new(verifier()).dedupe(claims.clone(), "actix");
    let looked_up = VerifyWebhook::new(lookup);
    let app = App::new()
        .app_data(web::Data::new(inbox.clone()))
        .route("/webhook", web::post().to(store).wrap(verify))
        .route("/agents/{agent}/webhook", web::post().to(store).wrap(looked_up));
    let service = std::rc::Rc::new(init_service(app).await);
    Box::new(move |request| {
        let service = std::rc::Rc::clone(&service);
        Box::pin(async move {
            let response: ServiceResponse<BoxBody> =
                service.call(request).await.unwrap().map_into_boxed_body();
            response.status().as_u16()
        })
    })
}

/// Every second name is a tenant.
fn tenant(
    agent: String,
    new: fn(agentmail_verify::Verifier, String) -> agentmail_receive::Tenant,
) -> Option<agentmail_receive::Tenant> {
    agent.len().is_multiple_of(2).then(|| new(verifier_of(&agent), agent))
}
