use std::sync::Arc;

use axum::extract::{Path, State, rejection::PathRejection};

use crate::{
    api::{App, deliveries::OneQuery},
    error::Problem,
    explain::{Case, ExplainedAttempt},
    server::{Json, Query, Scope},
};

/// Explains an attempt: how it was signed, why it was refused, and how to repeat it.
#[utoipa::path(
    get, path = "/deliveries/{delivery_id}/attempts/{number}", tag = "simulator",
    params(OneQuery, ("delivery_id" = String, Path), ("number" = u32, Path)),
    responses((status = 200, body = ExplainedAttempt)),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    scope: Scope,
    _: Query<OneQuery>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<ExplainedAttempt>, Problem> {
    let missing = || Problem::not_found("delivery");
    let Path((id, number)) = path.map_err(|_| missing())?;
    let number = number.parse().map_err(|_| Problem::not_found("attempt"))?;
    let case = app.service.read(|state| {
        let (_, delivery) = state.delivery(&id).ok_or_else(missing)?;
        if !scope.covers(&delivery.agent_id) {
            return Err(missing());
        }
        let message = state.message(&delivery.message_id).ok_or_else(missing)?;
        Case::find(delivery, number, message, state.account(&delivery.agent_id)?)
    })?;
    let explained = tokio::task::spawn_blocking(|| case.explained()).await;
    explained.map(Json).map_err(|_| Problem::internal("the attempt could not be explained"))
}
