use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{App, deliveries::Deliveries, list},
    error::Problem,
    record::{Delivery, State as DeliveryState},
    server::{Json, Query, Scope},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DeadLettersQuery {
    /// For the operator: only the dead letters of this agent.
    #[serde(rename = "agent_id")]
    #[param(rename = "agent_id", max_length = 64)]
    _agent_id: Option<String>,
    /// How many, at most 1000. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RedriveQuery {
    /// For the operator: only the dead letters of this agent.
    #[serde(rename = "agent_id")]
    #[param(rename = "agent_id", max_length = 64)]
    _agent_id: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Redriven {
    /// How many dead letters are pending again.
    redriven: u64,
}

/// Lists the dead letters, with their reasons.
#[utoipa::path(
    get, path = "/dead-letters", tag = "simulator", params(DeadLettersQuery),
    responses((status = 200, body = Deliveries)),
)]
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    scope: Scope,
    Query(query): Query<DeadLettersQuery>,
) -> Result<Json<Deliveries>, Problem> {
    let limit = list::limit(query.limit)?;
    let deliveries = app.service.read(|state| {
        let dead = |delivery: &&Arc<Delivery>| {
            delivery.state == DeliveryState::Dead && scope.covers(&delivery.agent_id)
        };
        state.deliveries.values().rev().filter(dead).take(limit).cloned().collect()
    });
    Ok(Json(Deliveries { deliveries }))
}

/// Sends all dead letters again.
#[utoipa::path(
    post, path = "/dead-letters/redrive", tag = "simulator", params(RedriveQuery),
    responses((status = 202, body = Redriven)),
)]
pub(super) async fn redrive(
    State(app): State<Arc<App>>,
    scope: Scope,
    _: Query<RedriveQuery>,
) -> Result<(StatusCode, Json<Redriven>), Problem> {
    let redriven = app.service.write(|state| state.redrive_all(scope.agent_id())).await?;
    let redriven = u64::try_from(redriven).unwrap_or(u64::MAX);
    Ok((StatusCode::ACCEPTED, Json(Redriven { redriven })))
}
