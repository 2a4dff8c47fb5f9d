use std::sync::Arc;

use axum::{extract::State, response::IntoResponse};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    api::App,
    error::Problem,
    record::Object,
    server::{Json, Operator},
};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAgent {
    /// Letters, digits, `-`, `_` and `.`; the first is a letter or a digit.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    agent_id: String,
    /// The agent's bearer token. Without it, the simulator makes one.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, pattern = "^[!-~]+$")]
    token: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentView {
    agent_id: String,
    /// The agent's bearer token.
    token: String,
    /// Whether `GET /webhook` shows one.
    has_webhook: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Agents {
    agents: Vec<AgentView>,
}

/// Lists the agents with their tokens. For the operator.
#[utoipa::path(get, path = "/agents", tag = "simulator", responses((status = 200, body = Agents)))]
pub(super) async fn list(State(app): State<Arc<App>>, _: Operator) -> Json<Agents> {
    let agents = app.service.read(|state| {
        let view = |account: &crate::record::Account| AgentView {
            agent_id: account.agent_id.clone(),
            token: account.token.clone(),
            has_webhook: account.webhook.is_some(),
        };
        state.accounts.values().map(view).collect()
    });
    Json(Agents { agents })
}

/// Creates an agent, for example one for each test. For the operator.
///
/// If the agent exists with this token, or no token is given, its token is returned with 200.
#[utoipa::path(
    post, path = "/agents", tag = "simulator", request_body = NewAgent,
    responses((status = 201, body = AgentView), (status = 200, body = AgentView)),
)]
pub(super) async fn create(
    State(app): State<Arc<App>>,
    _: Operator,
    Json(Object(NewAgent { agent_id, token })): Json<Object<NewAgent>>,
) -> Result<impl IntoResponse, Problem> {
    let (token, is_new) = app.service.agent(&agent_id, token).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let has_webhook = app
        .service
        .read(|state| state.account(&agent_id).is_ok_and(|account| account.webhook.is_some()));
    Ok((status, Json(AgentView { agent_id, token, has_webhook })))
}
