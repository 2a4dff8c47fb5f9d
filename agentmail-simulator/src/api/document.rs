use std::sync::Arc;

use axum::{Router, middleware, response::IntoResponse, routing::get};
use http::StatusCode;
use utoipa::{
    OpenApi,
    openapi::{
        Components, ContentBuilder, Ref, RefOr, ResponseBuilder, Tag,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api::{
        App, about, agents, attempts, dead_letters, deliveries, events, faults, inbound, messages,
        notifications, outbox, overview, ready, webhook,
    },
    error::Problem,
    page::{PATHS, asset},
    record::Event,
    server::{Allowed, Json, guard},
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "agentmail-simulator",
        description = "A local AgentMail (by Assmbl), to develop and test a receiver of its \
            webhooks against. \
            The calls with the tag `guide` are those of the vendor's guide. \
            Retries and the dead letter queue are assumptions of the simulator, see `/about`."
    ),
    components(schemas(Problem, Event))
)]
struct Document;

/// Returns the API, and its description at `/openapi.json`.
pub(crate) fn router(app: Arc<App>, allowed: Allowed) -> Router {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(webhook::put, webhook::get, webhook::delete))
        .routes(routes!(notifications::get, notifications::put))
        .routes(routes!(inbound::post))
        .routes(routes!(messages::get_all, messages::delete_all))
        .routes(routes!(messages::get))
        .routes(routes!(messages::raw))
        .routes(routes!(deliveries::get_all))
        .routes(routes!(deliveries::latest))
        .routes(routes!(overview::get))
        .routes(routes!(deliveries::get))
        .routes(routes!(deliveries::redrive))
        .routes(routes!(attempts::get))
        .routes(routes!(dead_letters::get_all))
        .routes(routes!(dead_letters::redrive))
        .routes(routes!(outbox::get_all))
        .routes(routes!(faults::get, faults::put, faults::delete))
        .routes(routes!(faults::delete_one))
        .routes(routes!(events::get))
        .routes(routes!(agents::list, agents::create))
        .routes(routes!(ready::ready))
        .routes(routes!(about::about))
        .split_for_parts();
    complete(&mut document);
    let pages = PATHS
        .into_iter()
        .fold(Router::new(), |router, path| router.route(path, get(async move || asset(path))));
    router
        .merge(pages)
        .route("/openapi.json", get(async move || Json(document)))
        .fallback(async || Problem::not_found("path").into_response())
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the path has other methods")
        })
        .with_state(app)
        .layer(middleware::from_fn_with_state(Arc::new(allowed), guard))
}

/// Adds the bearer token, and the refusals that every operation has.
fn complete(document: &mut utoipa::openapi::OpenApi) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    document
        .components
        .get_or_insert_with(Components::new)
        .add_security_scheme("token", SecurityScheme::Http(bearer));
    let tag = |name: &str, description: &str| {
        let mut tag = Tag::new(name);
        tag.description = Some(description.to_owned());
        tag
    };
    document.tags = Some(vec![
        tag("guide", "The calls of the vendor's guide. They need an agent's token."),
        tag("simulator", "The calls of the simulator."),
    ]);
    for (path, item) in &mut document.paths.paths {
        let is_public = matches!(path.as_str(), "/about" | "/readyz");
        let methods = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in methods.into_iter().flatten() {
            complete_operation(operation, is_public);
        }
    }
}

fn complete_operation(operation: &mut Operation, is_public: bool) {
    let is_guide = operation.tags.as_ref().is_some_and(|tags| tags.iter().any(|it| it == "guide"));
    let token = SecurityRequirement::new::<_, _, String>("token", []);
    operation.security = match (is_public, is_guide) {
        (true, _) => None,
        (false, true) => Some(vec![token]),
        // Without an operator's token, the operator needs none.
        (false, false) => Some(vec![token, SecurityRequirement::default()]),
    };
    let mut statuses = vec![
        (400, "A field of the request is wrong."),
        (403, "`Host` or `Origin` is wrong, or the token is that of another agent."),
        (503, "The simulator has no capacity for this now, or cannot write its files."),
    ];
    if !is_public {
        statuses.push((401, "The token is missing or unknown."));
        statuses.push((404, "There is no such thing, or no such agent."));
        statuses.push((409, "The state does not allow this."));
    }
    if operation.request_body.is_some() {
        statuses.push((408, "The body is not complete within 30 seconds."));
        statuses.push((413, "The body is too long."));
        statuses.push((415, "The content type is another one."));
    }
    for (status, description) in statuses {
        let schema = RefOr::Ref(Ref::from_schema_name("Problem"));
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content)
            .build();
        operation.responses.responses.insert(status.to_string(), RefOr::T(response));
    }
}
