use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{App, list},
    error::Problem,
    record::OutboxMail,
    server::{Json, Query, Scope},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct OutboxQuery {
    /// For the operator: only the entries of this agent.
    #[serde(rename = "agent_id")]
    #[param(rename = "agent_id", max_length = 64)]
    _agent_id: Option<String>,
    message_id: Option<String>,
    /// How many, at most 1000. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outbox {
    /// The newest is the first.
    #[schema(value_type = Vec<OutboxMail>)]
    mails: Vec<Arc<OutboxMail>>,
}

/// Lists the mails that rules would send to their recipients. The simulator sends no mail.
#[utoipa::path(
    get, path = "/outbox", tag = "simulator", params(OutboxQuery),
    responses((status = 200, body = Outbox)),
)]
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    scope: Scope,
    Query(query): Query<OutboxQuery>,
) -> Result<Json<Outbox>, Problem> {
    let limit = list::limit(query.limit)?;
    let mails = app.service.read(|state| {
        let matches = |mail: &&Arc<OutboxMail>| {
            scope.covers(&mail.agent_id)
                && query.message_id.as_ref().is_none_or(|id| *id == mail.message_id)
        };
        state.outbox.values().rev().filter(matches).take(limit).cloned().collect()
    });
    Ok(Json(Outbox { mails }))
}
