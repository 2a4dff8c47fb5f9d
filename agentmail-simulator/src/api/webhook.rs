use std::sync::Arc;

use axum::{extract::State, response::IntoResponse};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use url::{Host, Url};
use utoipa::ToSchema;

use crate::{
    api::App,
    error::Problem,
    random,
    record::{Object, Webhook},
    server::{AgentCaller, Json},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookSettings {
    /// HTTPS, or HTTP to a loopback address. It may be absent after the first setup.
    #[serde(default)]
    #[schema(max_length = 2000, example = "http://127.0.0.1:8080/agentmail/webhook")]
    url: Option<String>,
    /// Default: true at the first setup; later, as it was.
    #[serde(default)]
    enabled: Option<bool>,
    /// Whether to make a new secret.
    #[serde(default)]
    rotate_secret: Option<bool>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WebhookView {
    url: String,
    enabled: bool,
    /// Only at the first setup, and at a rotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<String>,
}

/// Sets the agent's webhook.
///
/// `signing_secret` is in the response at the first setup, and if `rotate_secret` is true.
#[utoipa::path(
    put, path = "/webhook", tag = "guide", request_body = WebhookSettings,
    responses((status = 200, body = WebhookView)),
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    AgentCaller(agent_id): AgentCaller,
    Json(Object(settings)): Json<Object<WebhookSettings>>,
) -> Result<Json<WebhookView>, Problem> {
    let WebhookSettings { url, enabled, rotate_secret } = settings;
    if let Some(url) = &url {
        check_url(url, app.service.settings.loopback_only)
            .map_err(|detail| Problem::field("url", detail))?;
    }
    let new_secret = (rotate_secret == Some(true)).then(random::hex::<32>);
    let (webhook, signing_secret) = app
        .service
        .write(|state| state.set_webhook(&agent_id, url, enabled, new_secret, random::hex::<32>))
        .await??;
    Ok(Json(view(webhook, signing_secret)))
}

/// Shows the agent's webhook, without its secret.
#[utoipa::path(
    get, path = "/webhook", tag = "guide",
    responses((status = 200, body = WebhookView)),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    AgentCaller(agent_id): AgentCaller,
) -> Result<Json<WebhookView>, Problem> {
    let webhook =
        app.service.read(|state| state.account(&agent_id).map(|it| it.webhook.clone()))?;
    webhook.map(|webhook| Json(view(webhook, None))).ok_or_else(|| Problem::not_found("webhook"))
}

/// Removes the agent's webhook and its secret.
#[utoipa::path(delete, path = "/webhook", tag = "guide", responses((status = 204)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    AgentCaller(agent_id): AgentCaller,
) -> Result<impl IntoResponse, Problem> {
    app.service.write(|state| state.delete_webhook(&agent_id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

fn view(webhook: Webhook, signing_secret: Option<String>) -> WebhookView {
    WebhookView { url: webhook.url, enabled: webhook.enabled, signing_secret }
}

/// Checks the URL of an endpoint. The error continues a sentence that begins with the field.
pub(crate) fn check_url(text: &str, loopback_only: bool) -> Result<(), &'static str> {
    if text.len() > 2_000 {
        return Err("is longer than 2000 bytes");
    }
    let url = Url::parse(text).map_err(|_| "is not a URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("is not an HTTPS URL");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name or a password");
    }
    // What is sent is the text as it is, so both parsers must see the same host.
    let uri: http::Uri = text.parse().map_err(|_| "has a character that must be escaped")?;
    if uri.host() != url.host_str() || uri.port_u16() != url.port() {
        return Err("is not in its normal form");
    }
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("has no host"),
    };
    match (is_loopback, url.scheme()) {
        (true, _) => Ok(()),
        (false, _) if loopback_only => {
            Err("is not a loopback address, and the simulator is limited to these")
        }
        (false, "https") => Ok(()),
        (false, _) => Err("must be HTTPS, because it is not a loopback address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_https_or_leads_to_the_loopback_interface() {
        for (url, accepted, accepted_if_limited) in [
            ("https://example.com/agentmail/webhook?a=b", true, false),
            ("http://127.0.0.1:8080/agentmail/webhook", true, true),
            ("http://127.1.2.3/", true, true),
            ("http://localhost:8080/a", true, true),
            ("http://[::1]:8080/a", true, true),
            ("https://localhost/", true, true),
            ("http://example.com/", false, false),
            ("http://localhost.example.com/", false, false),
            ("http://192.168.1.2/", false, false),
            ("http://169.254.169.254/", false, false),
            ("http://2130706433/", false, false),
            ("http://0x7f.1/", false, false),
            ("ftp://127.0.0.1/", false, false),
            ("file:///etc/passwd", false, false),
            ("/agentmail/webhook", false, false),
            ("", false, false),
            ("https://user@example.com/", false, false),
            ("https://user:password@127.0.0.1/", false, false),
            ("http://127.0.0.1:8080/a b", false, false),
            ("https://", false, false),
            ("http://127.0.0.1:99999/", false, false),
            (&format!("https://example.com/{}", "a".repeat(2_000)), false, false),
        ] {
            assert_eq!(check_url(url, false).is_ok(), accepted, "{url}");
            assert_eq!(check_url(url, true).is_ok(), accepted_if_limited, "{url}, limited");
        }
    }
}
