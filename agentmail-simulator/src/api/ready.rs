use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{App, wait},
    error::Problem,
    server::{Json, Query},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadyQuery {
    /// How long to wait until no delivery is pending, such as `10s`. Without it, the response
    /// comes at once.
    #[param(max_length = 20)]
    wait: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    ready: bool,
    /// Deliveries that are not settled.
    pending: u64,
}

/// Responds with 200 when the simulator accepts calls. With `wait`, when no delivery is pending.
///
/// If some are still pending after that time, the status is 503.
#[utoipa::path(
    get, path = "/readyz", tag = "simulator", params(ReadyQuery),
    responses((status = 200, body = Ready)),
)]
pub(super) async fn ready(
    State(app): State<Arc<App>>,
    Query(query): Query<ReadyQuery>,
) -> Result<Json<Ready>, Problem> {
    let pending = match query.wait {
        None => app.service.read(|state| state.pending),
        Some(text) => {
            let patience = wait::parse("wait", &text)?;
            let idle = app.service.wait_for(patience, |state| (state.pending == 0).then_some(0));
            idle.await.ok_or_else(|| {
                let pending = app.service.read(|state| state.pending);
                Problem::unavailable(format!("{pending} deliveries are still pending"))
            })?
        }
    };
    Ok(Json(Ready { ready: true, pending: u64::try_from(pending).unwrap_or(u64::MAX) }))
}
