use std::sync::Arc;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::IntoResponse,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::App,
    error::Problem,
    fault::{Fault, FaultPlan},
    record::{Object, schema},
    server::{Json, Query, Scope},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultsQuery {
    /// For the operator: the agent.
    #[serde(rename = "agent_id")]
    #[param(rename = "agent_id", max_length = 64)]
    _agent_id: Option<String>,
}

/// Which attempts get a fault. The same seed chooses the same attempts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FaultSettings {
    #[schema(schema_with = schema::fault)]
    fault: Fault,
    /// For each attempt. Default: 1.
    #[serde(default = "always")]
    #[schema(minimum = 0, maximum = 1)]
    probability: f64,
    /// At most 2^53 - 1, which JavaScript reads exactly. Default: 0.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 9007199254740991_u64)]
    seed: u64,
    /// Limits the fault to so many first attempts of each delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, maximum = 4294967295_u64)]
    first_attempts: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Faults {
    faults: Vec<FaultSettings>,
    /// Every fault that the simulator has.
    available: Vec<AvailableFault>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AvailableFault {
    #[schema(schema_with = schema::fault)]
    fault: Fault,
    /// What a receiver gets.
    description: &'static str,
}

/// As in the schema.
const MAX_SEED: u64 = (1 << 53) - 1;

/// Lists the agent's faults.
#[utoipa::path(
    get, path = "/faults", tag = "simulator", params(FaultsQuery),
    responses((status = 200, body = Faults)),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    scope: Scope,
    _: Query<FaultsQuery>,
) -> Result<Json<Faults>, Problem> {
    listed(&app, &scope.agent()?)
}

/// Adds a fault, or replaces the settings of the same fault.
#[utoipa::path(
    put, path = "/faults", tag = "simulator", params(FaultsQuery), request_body = FaultSettings,
    responses((status = 200, body = Faults)),
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    scope: Scope,
    _: Query<FaultsQuery>,
    Json(Object(settings)): Json<Object<FaultSettings>>,
) -> Result<Json<Faults>, Problem> {
    let agent_id = scope.agent()?;
    let FaultSettings { fault, probability, seed, first_attempts } = settings;
    if !(0.0..=1.0).contains(&probability) {
        return Err(Problem::field("probability", "is not a number from 0 to 1"));
    }
    if seed > MAX_SEED {
        return Err(Problem::field("seed", "is larger than 9007199254740991"));
    }
    let mut plan = FaultPlan::new(fault).with_probability(probability).with_seed(seed);
    if let Some(attempts) = first_attempts {
        plan = plan.with_first_attempts(attempts);
    }
    app.service.write(|state| state.set_fault(&agent_id, plan)).await??;
    listed(&app, &agent_id)
}

/// Removes one fault of the agent.
#[utoipa::path(
    delete, path = "/faults/{fault}", tag = "simulator",
    params(FaultsQuery, ("fault" = String, Path)), responses((status = 204)),
)]
pub(super) async fn delete_one(
    State(app): State<Arc<App>>,
    scope: Scope,
    _: Query<FaultsQuery>,
    name: Result<Path<String>, PathRejection>,
) -> Result<impl IntoResponse, Problem> {
    let agent_id = scope.agent()?;
    let missing = || Problem::not_found("fault");
    let Path(name) = name.map_err(|_| missing())?;
    let fault: Fault = name.parse().map_err(|_| missing())?;
    if app.service.write(|state| state.clear_fault(&agent_id, fault)).await?? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing())
    }
}

/// Removes all faults of the agent.
#[utoipa::path(
    delete, path = "/faults", tag = "simulator", params(FaultsQuery), responses((status = 204)),
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    scope: Scope,
    _: Query<FaultsQuery>,
) -> Result<impl IntoResponse, Problem> {
    let agent_id = scope.agent()?;
    app.service.write(|state| state.clear_faults(&agent_id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

fn listed(app: &App, agent_id: &str) -> Result<Json<Faults>, Problem> {
    let settings = |plan: &FaultPlan| FaultSettings {
        fault: plan.fault(),
        probability: plan.probability(),
        seed: plan.seed(),
        first_attempts: plan.first_attempts(),
    };
    app.service.read(|state| {
        let account = state.account(agent_id)?;
        let faults = account.faults.iter().map(settings).collect();
        Ok(Json(Faults { faults, available: Fault::ALL.map(available).into() }))
    })
}

fn available(fault: Fault) -> AvailableFault {
    AvailableFault { fault, description: fault.description() }
}

fn always() -> f64 {
    1.0
}
