use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::IntoResponse,
};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::App,
    error::Problem,
    inbound::{Flags, InboundMail},
    record::{Message, Object},
    server::{Json, Query, Scope, read_body},
    settings::Settings,
    time::now,
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct InboundQuery {
    /// For the operator: the agent that receives the mail.
    #[serde(rename = "agent_id")]
    #[param(rename = "agent_id", max_length = 64)]
    _agent_id: Option<String>,
    /// Of a raw message. Default: true.
    sender_verified: Option<bool>,
    /// Of a raw message. Default: `verified` for a verified sender.
    peer_trust_tier: Option<String>,
    /// Of a raw message: for the filter `traffic_types`.
    traffic_type: Option<String>,
    /// Of a raw message. Default: false.
    rate_limited: Option<bool>,
    /// Of a raw message. Default: false.
    is_duplicate: Option<bool>,
}

/// Receives a mail: as JSON, or as a raw message (RFC 5322).
///
/// A body that is not `application/json` is a raw message, with the content type `message/rfc822`
/// or one that `curl --data-binary` sends. A message has at most 26 MiB, and a line at most 64 KiB.
#[utoipa::path(
    post, path = "/inbound", tag = "simulator", params(InboundQuery),
    request_body(content(
        (InboundMail = "application/json"),
        (String = "message/rfc822"),
    )),
    responses((status = 202, body = Message)),
)]
pub(super) async fn post(
    State(app): State<Arc<App>>,
    scope: Scope,
    Query(query): Query<InboundQuery>,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let agent_id = scope.agent()?;
    app.service.read(|state| state.check_backlog(&app.service.settings))?;
    let is_json = request.headers().get(http::header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().to_ascii_lowercase().starts_with(b"application/json")
    });
    let lines = (!is_json).then_some(Settings::LINE_BYTES);
    let body = read_body(request, Settings::MAIL_BYTES, lines).await?;
    let message = match body.media_type.as_deref() {
        Some("application/json") => {
            let Json(Object(mail)) = Json::<Object<InboundMail>>::read(&body.bytes)?;
            app.service.receive(&agent_id, mail).await?
        }
        None
        | Some(
            "message/rfc822"
            | "application/octet-stream"
            | "application/x-www-form-urlencoded"
            | "text/plain",
        ) => {
            let flags = Flags::new(
                query.sender_verified,
                query.peer_trust_tier,
                query.traffic_type,
                query.rate_limited,
                query.is_duplicate,
            );
            app.service.receive_raw(&agent_id, &body.bytes, flags, now()).await?
        }
        Some(_) => {
            let detail = "the content type is neither application/json nor message/rfc822";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    };
    Ok((StatusCode::ACCEPTED, Json(message)))
}
