//! How a lookup finds the tenant in actix-web: by a parameter of the route, by the path, and by an
//! extension that an outer middleware has inserted.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::convert::Infallible;

use actix_http::Request;
use actix_web::{
    App, Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    http::StatusCode,
    test::{TestRequest, call_service, init_service},
    web,
};
use agentmail_actix::{
    Lookup, Refusal, Secret, Signer, Tenant, UnixTime, Verified, Verifier, VerifyWebhook, Webhook,
    WebhookConfig, path_segment,
};

const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);
const BODY: &str = r#"{"type":"mail.received","agent_id":"my-agent","message_id":"msg-1"}"#;
const ROUTE: &str = "/agents/{agent}/webhook";

fn secret() -> Secret {
    Secret::new("whsec_test_secret").unwrap()
}

/// Looks up tenants. Every agent is a tenant, and all of them have the same secret.
fn config(key: impl Fn(&HttpRequest) -> Option<String> + Send + Sync + 'static) -> WebhookConfig {
    let tenant = async |agent: String| -> Result<Option<Tenant>, Infallible> {
        Ok(Some(Tenant::new(Verifier::new(secret()), agent)))
    };
    WebhookConfig::new(Lookup::new(key, tenant)).with_clock(NOW)
}

fn by_parameter() -> WebhookConfig {
    config(|request| Some(request.match_info().get("agent")?.to_owned()))
}

/// Checks that only `my-agent`, the agent that `BODY` names, is accepted.
async fn accepts_its_own_agent_only<B: MessageBody>(
    name: &str,
    app: impl Service<Request, Response = ServiceResponse<B>, Error = Error>,
) {
    for (agent, expected) in [
        ("my-agent", (StatusCode::OK, None)),
        ("another", (StatusCode::FORBIDDEN, Some("other_agent"))),
    ] {
        let signed = Signer::new(secret()).sign(NOW, BODY.as_bytes());
        let request = TestRequest::post().uri(&format!("/agents/{agent}/webhook"));
        let request = signed.headers().into_iter().fold(request, TestRequest::append_header);

        let response = call_service(&app, request.set_payload(BODY).to_request()).await;

        let code = response.response().extensions().get::<Refusal>().map(Refusal::code);
        assert_eq!((response.status(), code), expected, "{name}, {agent}");
    }
}

#[actix_web::test]
async fn a_parameter_of_the_route_names_the_tenant() {
    let handler = || web::post().to(async |_: Verified<serde_json::Value>| "");
    let resource = web::resource(ROUTE).wrap(VerifyWebhook::new(by_parameter())).route(handler());
    accepts_its_own_agent_only("resource", init_service(App::new().service(resource)).await).await;

    let handler = web::post().to(async |_: Webhook<serde_json::Value>| "");
    let app = App::new().app_data(by_parameter()).route(ROUTE, handler);
    accepts_its_own_agent_only("extractor", init_service(app).await).await;
}

#[actix_web::test]
async fn the_lookup_gets_the_whole_path_even_in_a_scope() {
    let by_path = config(|request| path_segment(request.path(), "/agents/", "/webhook"));
    let handler = web::post().to(async |_: Verified<serde_json::Value>| "");
    let scope = web::scope("/agents").wrap(VerifyWebhook::new(by_path));
    let app = App::new().service(scope.route("/{agent}/webhook", handler));

    accepts_its_own_agent_only("scope", init_service(app).await).await;
}

#[actix_web::test]
async fn an_outer_middleware_can_name_the_tenant() {
    #[derive(Clone)]
    struct Agent(String);

    let by_extension = config(|request| {
        let extensions = request.extensions();
        extensions.get::<Agent>().map(|agent| agent.0.clone())
    });
    let handler = web::post().to(async |_: Verified<serde_json::Value>| "");
    let resource =
        web::resource(ROUTE).wrap(VerifyWebhook::new(by_extension)).wrap_fn(|request, service| {
            let agent = request.match_info().get("agent").map(str::to_owned);
            request.extensions_mut().insert(Agent(agent.unwrap_or_default()));
            service.call(request)
        });

    let app = App::new().service(resource.route(handler));
    accepts_its_own_agent_only("an outer middleware", init_service(app).await).await;
}
