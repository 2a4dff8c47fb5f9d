//! How a lookup tells the tenant in axum: by the path, inside a nest too, and by what an outer layer left.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::convert::Infallible;

use agentmail_axum::{Lookup, Tenant, Verifier, VerifyLayer, Webhook, WebhookConfig};
use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{Request, StatusCode, request::Parts},
    middleware::{Next, from_fn},
    response::Response,
    routing::post,
};
use tower::{Layer, Service, ServiceExt, buffer::Buffer, service_fn};

use common::{BODY, NOW, on_mail, read, secret, signed};

/// Of every agent, with one secret.
async fn tenant(agent: String) -> Result<Option<Tenant>, Infallible> {
    Ok(Some(Tenant::new(Verifier::new(secret()), agent)))
}

fn by_path(before: &'static str) -> WebhookConfig {
    let lookup = Lookup::new(move |head| head.segment_between(before, "/webhook"), tenant);
    WebhookConfig::new(lookup).clock(NOW)
}

fn to(path: &str) -> Request<Body> {
    let mut request = signed(BODY);
    *request.uri_mut() = path.parse().unwrap();
    request
}

/// `BODY` names `my-agent`.
async fn speaks_for_its_agent_only(name: &str, router: Router) {
    for (agent, expected) in [
        ("my-agent", (StatusCode::OK, None)),
        ("another", (StatusCode::FORBIDDEN, Some("other_agent"))),
    ] {
        let request = to(&format!("/agents/{agent}/webhook"));
        let (status, code, _) = read(router.clone().oneshot(request).await.unwrap()).await;

        assert_eq!((status, code), expected, "{name}, {agent}");
    }
}

#[tokio::test]
async fn the_path_names_the_tenant() {
    let layered = Router::new()
        .route("/agents/{agent}/webhook", post(on_mail))
        .route_layer(VerifyLayer::new(by_path("/agents/")));
    speaks_for_its_agent_only("layer", layered).await;

    let extracted = Router::new()
        .route("/agents/{agent}/webhook", post(async |_: Webhook<serde_json::Value>| ()))
        .with_state(by_path("/agents/"));
    speaks_for_its_agent_only("extractor", extracted).await;
}

#[tokio::test]
async fn inside_a_nest_the_rest_of_the_path_does() {
    let inner = Router::new()
        .route("/{agent}/webhook", post(on_mail))
        .route_layer(VerifyLayer::new(by_path("/")));

    speaks_for_its_agent_only("nest", Router::new().nest("/agents", inner)).await;
}

#[tokio::test]
async fn an_outer_layer_can_name_the_tenant() {
    #[derive(Clone)]
    struct Agent(String);
    async fn name(
        Path(agent): Path<String>,
        mut request: axum::extract::Request,
        next: Next,
    ) -> Response {
        request.extensions_mut().insert(Agent(agent));
        next.run(request).await
    }

    let lookup = Lookup::new(
        |head| Some(head.parts::<Parts>()?.extensions.get::<Agent>()?.0.clone()),
        tenant,
    );
    let router = Router::new()
        .route("/agents/{agent}/webhook", post(on_mail))
        .route_layer(VerifyLayer::new(WebhookConfig::new(lookup).clock(NOW)))
        .route_layer(from_fn(name));

    speaks_for_its_agent_only("an outer layer", router).await;
}

#[tokio::test]
async fn a_panic_in_the_first_step_does_not_end_a_buffer() {
    let lookup = Lookup::new(
        |head| {
            assert_ne!(head.path(), "/panic");
            Some(String::from("my-agent"))
        },
        tenant,
    );
    let service = VerifyLayer::new(WebhookConfig::new(lookup).clock(NOW))
        .layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::empty()))));
    let mut service = Buffer::new(service, 8);

    for (path, status) in [("/panic", 503), ("/", 200)] {
        let answer = service.ready().await.unwrap().call(to(path)).await.unwrap();

        assert_eq!(answer.status(), status, "{path}");
    }
}
