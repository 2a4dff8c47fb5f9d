use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::IntoResponse,
};
use http::{
    StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{App, list},
    error::Problem,
    record::Message,
    server::{Json, Query, Scope},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct MessagesQuery {
    /// For the operator: only the messages of this agent.
    #[serde(rename = "agent_id")]
    #[param(rename = "agent_id", max_length = 64)]
    _agent_id: Option<String>,
    /// How many, at most 1000. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
    /// Only messages before this one.
    before: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct OneQuery {
    /// For the operator: the agent.
    #[serde(rename = "agent_id")]
    #[param(rename = "agent_id", max_length = 64)]
    _agent_id: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Messages {
    /// The newest is the first.
    #[schema(value_type = Vec<Message>)]
    messages: Vec<Arc<Message>>,
}

/// Lists messages, and what each rule did with them.
#[utoipa::path(
    get, path = "/messages", tag = "simulator", params(MessagesQuery),
    responses((status = 200, body = Messages)),
)]
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    scope: Scope,
    Query(query): Query<MessagesQuery>,
) -> Result<Json<Messages>, Problem> {
    let limit = list::limit(query.limit)?;
    app.service.read(|state| {
        let before = match &query.before {
            Some(id) => state.number_of(id).ok_or_else(|| Problem::not_found("message"))?,
            None => u64::MAX,
        };
        let messages = state
            .messages
            .range(..before)
            .rev()
            .map(|(_, stored)| &stored.message)
            .filter(|message| scope.covers(&message.agent_id))
            .take(limit)
            .cloned()
            .collect();
        Ok(Json(Messages { messages }))
    })
}

/// Shows a message, and what each rule did with it.
#[utoipa::path(
    get, path = "/messages/{message_id}", tag = "simulator",
    params(OneQuery, ("message_id" = String, Path)),
    responses((status = 200, body = Message)),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    scope: Scope,
    _: Query<OneQuery>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Arc<Message>>, Problem> {
    find(&app, &scope, id).map(Json)
}

/// Returns the raw message, as it is in the bucket.
#[utoipa::path(
    get, path = "/messages/{message_id}/raw", tag = "simulator",
    params(OneQuery, ("message_id" = String, Path)),
    responses((status = 200, body = String, content_type = "message/rfc822")),
)]
pub(super) async fn raw(
    State(app): State<Arc<App>>,
    scope: Scope,
    _: Query<OneQuery>,
    id: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, Problem> {
    let message = find(&app, &scope, id)?;
    let raw = app.service.bucket.get(&message.s3_key).await.map_err(|error| {
        Problem::unavailable(format!("the mail cannot be read from the bucket: {error}"))
    })?;
    // A browser must not show it: a mail may be HTML.
    Ok(([(CONTENT_TYPE, "message/rfc822"), (CONTENT_DISPOSITION, "attachment")], raw))
}

/// Removes all messages of the agent, with their deliveries.
///
/// The operator removes those of all agents.
#[utoipa::path(
    delete, path = "/messages", tag = "simulator", params(OneQuery), responses((status = 204)),
)]
pub(super) async fn delete_all(
    State(app): State<Arc<App>>,
    scope: Scope,
    _: Query<OneQuery>,
) -> Result<impl IntoResponse, Problem> {
    app.service.write(|state| state.remove_messages(scope.agent_id())).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn find(
    app: &App,
    scope: &Scope,
    id: Result<Path<String>, PathRejection>,
) -> Result<Arc<Message>, Problem> {
    let missing = || Problem::not_found("message");
    let Path(id) = id.map_err(|_| missing())?;
    app.service
        .read(|state| state.message(&id).cloned())
        .filter(|message| scope.covers(&message.agent_id))
        .ok_or_else(missing)
}
