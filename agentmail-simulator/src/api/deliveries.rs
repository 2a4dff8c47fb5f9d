use std::{sync::Arc, time::Duration};

use axum::extract::{Path, State, rejection::PathRejection};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{App, list, wait},
    error::Problem,
    record::{Delivery, State as DeliveryState},
    server::{Json, Query, Scope},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveriesQuery {
    /// For the operator: only the deliveries of this agent.
    #[serde(rename = "agent_id")]
    #[param(rename = "agent_id", max_length = 64)]
    _agent_id: Option<String>,
    message_id: Option<String>,
    rule_id: Option<String>,
    state: Option<DeliveryState>,
    /// How many, at most 1000. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
    /// Only deliveries before this one.
    before: Option<String>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LatestQuery {
    /// For the operator: only the deliveries of this agent.
    #[serde(rename = "agent_id")]
    #[param(rename = "agent_id", max_length = 64)]
    _agent_id: Option<String>,
    message_id: Option<String>,
    rule_id: Option<String>,
    state: Option<DeliveryState>,
    /// The status of the newest response.
    #[param(minimum = 100, maximum = 999)]
    status: Option<u16>,
    /// The sender's address.
    sender: Option<String>,
    subject: Option<String>,
    /// Only deliveries after this one.
    after: Option<String>,
    /// How long to wait for a delivery that matches, such as `10s`.
    #[param(max_length = 20)]
    wait: Option<String>,
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
pub(super) struct Deliveries {
    /// The newest is the first.
    #[schema(value_type = Vec<Delivery>)]
    pub(super) deliveries: Vec<Arc<Delivery>>,
}

/// Lists deliveries with their attempts.
#[utoipa::path(
    get, path = "/deliveries", tag = "simulator", params(DeliveriesQuery),
    responses((status = 200, body = Deliveries)),
)]
pub(super) async fn get_all(
    State(app): State<Arc<App>>,
    scope: Scope,
    Query(query): Query<DeliveriesQuery>,
) -> Result<Json<Deliveries>, Problem> {
    let limit = list::limit(query.limit)?;
    app.service.read(|state| {
        let before = match &query.before {
            Some(id) => state.delivery(id).ok_or_else(|| Problem::not_found("delivery"))?.0,
            None => u64::MAX,
        };
        let matches = |delivery: &&Arc<Delivery>| {
            scope.covers(&delivery.agent_id)
                && is(query.message_id.as_ref(), &delivery.message_id)
                && (query.rule_id.is_none() || query.rule_id == delivery.rule_id)
                && query.state.is_none_or(|state| state == delivery.state)
        };
        let deliveries = state.deliveries.range(..before).rev().map(|(_, delivery)| delivery);
        let deliveries = deliveries.filter(matches).take(limit).cloned().collect();
        Ok(Json(Deliveries { deliveries }))
    })
}

/// Returns the newest delivery that matches. With `wait`, waits for one.
#[utoipa::path(
    get, path = "/deliveries/latest", tag = "simulator", params(LatestQuery),
    responses((status = 200, body = Delivery)),
)]
pub(super) async fn latest(
    State(app): State<Arc<App>>,
    scope: Scope,
    Query(query): Query<LatestQuery>,
) -> Result<Json<Arc<Delivery>>, Problem> {
    let patience = match &query.wait {
        Some(text) => wait::parse("wait", text)?,
        None => Duration::ZERO,
    };
    let after = match &query.after {
        Some(id) => app
            .service
            .read(|state| state.delivery(id).map(|(number, _)| number))
            .ok_or_else(|| Problem::not_found("delivery"))?
            .saturating_add(1),
        None => 0,
    };
    let found = app.service.wait_for(patience, |state| {
        let matches = |delivery: &&Arc<Delivery>| {
            let message = state.message(&delivery.message_id);
            scope.covers(&delivery.agent_id)
                && is(query.message_id.as_ref(), &delivery.message_id)
                && (query.rule_id.is_none() || query.rule_id == delivery.rule_id)
                && query.state.is_none_or(|state| state == delivery.state)
                && (query.status.is_none() || query.status == delivery.status())
                && message.is_some_and(|message| {
                    (query.sender.is_none() || query.sender == message.sender)
                        && (query.subject.is_none() || query.subject == message.subject)
                })
        };
        let mut newest = state.deliveries.range(after..).rev().map(|(_, delivery)| delivery);
        newest.find(matches).cloned()
    });
    let none = || Problem { detail: "no delivery matches".to_owned(), ..Problem::not_found("") };
    found.await.map(Json).ok_or_else(none)
}

/// Shows a delivery with its attempts.
#[utoipa::path(
    get, path = "/deliveries/{delivery_id}", tag = "simulator",
    params(OneQuery, ("delivery_id" = String, Path)),
    responses((status = 200, body = Delivery)),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    scope: Scope,
    _: Query<OneQuery>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Arc<Delivery>>, Problem> {
    find(&app, &scope, id).map(|(_, delivery)| Json(delivery))
}

/// Sends a dead letter again, with all of its attempts.
#[utoipa::path(
    post, path = "/deliveries/{delivery_id}/redrive", tag = "simulator",
    params(OneQuery, ("delivery_id" = String, Path)),
    responses((status = 202, body = Delivery)),
)]
pub(super) async fn redrive(
    State(app): State<Arc<App>>,
    scope: Scope,
    _: Query<OneQuery>,
    id: Result<Path<String>, PathRejection>,
) -> Result<(http::StatusCode, Json<Arc<Delivery>>), Problem> {
    let (number, _) = find(&app, &scope, id)?;
    let delivery = app.service.write(|state| state.redrive(number)).await??;
    Ok((http::StatusCode::ACCEPTED, Json(delivery)))
}

fn find(
    app: &App,
    scope: &Scope,
    id: Result<Path<String>, PathRejection>,
) -> Result<(u64, Arc<Delivery>), Problem> {
    let missing = || Problem::not_found("delivery");
    let Path(id) = id.map_err(|_| missing())?;
    app.service
        .read(|state| state.delivery(&id).map(|(number, delivery)| (number, Arc::clone(delivery))))
        .filter(|(_, delivery)| scope.covers(&delivery.agent_id))
        .ok_or_else(missing)
}

fn is(wanted: Option<&String>, actual: &str) -> bool {
    wanted.is_none_or(|wanted| wanted == actual)
}
