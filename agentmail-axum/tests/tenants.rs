//! How a lookup finds the tenant in axum: by the path, also in a nested router, and by an extension
//! that an outer layer has inserted.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::convert::Infallible;

use agentmail_axum::{Lookup, Tenant, Verifier, VerifyLayer, Webhook, WebhookConfig, path_segment};
use axum::{
    Router,
    body::Body,
    extract::{OriginalUri, Path},
    http::{Request, StatusCode},
    middleware::{Next, from_fn},
    response::Response,
    routing::post,
};
use tower::{Layer, Service, ServiceExt, buffer::Buffer, service_fn};

use common::{BODY, NOW, on_mail, read, secret, signed};

/// Looks up a tenant. Every agent is a tenant, and all of them have the same secret.
async fn tenant(agent: String) -> Result<Option<Tenant>, Infallible> {
    Ok(Some(Tenant::new(Verifier::new(secret()), agent)))
}

fn by_path(before: &'static str) -> WebhookConfig {
    let lookup =
        Lookup::new(move |parts| path_segment(parts.uri.path(), before, "/webhook"), tenant);
    WebhookConfig::new(lookup).with_clock(NOW)
}

fn to(path: &str) -> Request<Body> {
    let mut request = signed(BODY);
    *request.uri_mut() = path.parse().unwrap();
    request
}

/// Checks that only `my-agent`, the agent that `BODY` names, is accepted.
async fn accepts_its_own_agent_only(name: &str, router: Router) {
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
    accepts_its_own_agent_only("layer", layered).await;

    let extracted = Router::new()
        .route("/agents/{agent}/webhook", post(async |_: Webhook<serde_json::Value>| ()))
        .with_state(by_path("/agents/"));
    accepts_its_own_agent_only("extractor", extracted).await;
}

#[tokio::test]
async fn in_a_nested_router_the_lookup_gets_the_rest_of_the_path() {
    let inner = Router::new()
        .route("/{agent}/webhook", post(on_mail))
        .route_layer(VerifyLayer::new(by_path("/")));

    accepts_its_own_agent_only("nest", Router::new().nest("/agents", inner)).await;
}

#[tokio::test]
async fn in_a_nested_router_the_original_uri_has_the_whole_path() {
    let original = Lookup::new(
        |parts| {
            let OriginalUri(uri) = parts.extensions.get()?;
            path_segment(uri.path(), "/agents/", "/webhook")
        },
        tenant,
    );
    let nested = |config| {
        let inner = Router::new()
            .route("/{agent}/webhook", post(on_mail))
            .route_layer(VerifyLayer::new(config));
        Router::new().nest("/agents", inner)
    };
    let config = WebhookConfig::new(original).with_clock(NOW);
    accepts_its_own_agent_only("original URI", nested(config)).await;

    let cut = nested(by_path("/agents/")).oneshot(to("/agents/my-agent/webhook")).await;
    let (status, code, _) = read(cut.unwrap()).await;
    assert_eq!((status, code), (StatusCode::FORBIDDEN, Some("missing_tenant")));
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

    let lookup = Lookup::new(|parts| Some(parts.extensions.get::<Agent>()?.0.clone()), tenant);
    let router = Router::new()
        .route("/agents/{agent}/webhook", post(on_mail))
        .route_layer(VerifyLayer::new(WebhookConfig::new(lookup).with_clock(NOW)))
        .route_layer(from_fn(name));

    accepts_its_own_agent_only("an outer layer", router).await;
}

#[tokio::test]
async fn a_panic_while_a_key_is_read_does_not_stop_a_buffer() {
    let lookup = Lookup::new(
        |parts| {
            assert_ne!(parts.uri.path(), "/panic");
            Some(String::from("my-agent"))
        },
        tenant,
    );
    let service = VerifyLayer::new(WebhookConfig::new(lookup).with_clock(NOW))
        .layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::empty()))));
    let mut service = Buffer::new(service, 8);

    for (path, status) in [("/panic", 503), ("/", 200)] {
        let response = service.ready().await.unwrap().call(to(path)).await.unwrap();

        assert_eq!(response.status(), status, "{path}");
    }
}
