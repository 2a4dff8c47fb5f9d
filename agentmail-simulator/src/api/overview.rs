use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::{App, list},
    error::Problem,
    fault::Fault,
    record::{Delivery, Message, State as DeliveryState, schema},
    server::{Json, Query, Scope},
    state::State as Simulated,
    time::Time,
};

/// How many characters a text to look for has at most.
const TEXT: usize = 200;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct OverviewQuery {
    /// For the operator: only the deliveries of this agent.
    #[serde(rename = "agent_id")]
    #[param(rename = "agent_id", max_length = 64)]
    _agent_id: Option<String>,
    state: Option<DeliveryState>,
    rule_id: Option<String>,
    /// Only deliveries of mails that have this text in the subject or in the sender's address,
    /// without regard to case.
    #[param(max_length = 200)]
    text: Option<String>,
    /// How many, at most 1000. Default: 100.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u64>,
    /// Only deliveries before this one.
    before: Option<String>,
}

/// A page of deliveries, without their attempts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Overview {
    /// The newest is the first.
    deliveries: Vec<Summary>,
    /// Whether there are older deliveries that match.
    more: bool,
    counts: Counts,
    /// The id of the newest event. `GET /events?after=` continues from here.
    last_event: u64,
}

/// How many deliveries there are in each state, whatever the query.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Counts {
    pending: u64,
    delivered: u64,
    dead: u64,
}

/// A delivery in one row.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeliverySummary)]
struct Summary {
    delivery_id: String,
    agent_id: String,
    message_id: String,
    rule_id: Option<String>,
    sender: Option<String>,
    subject: Option<String>,
    state: DeliveryState,
    /// The status of the newest response.
    status: Option<u16>,
    /// Why the newest attempt got no complete response.
    error: Option<String>,
    /// The fault of the newest attempt.
    #[schema(schema_with = schema::optional_fault)]
    fault: Option<Fault>,
    attempts_made: u32,
    redrives: u32,
    /// Why the delivery is a dead letter.
    reason: Option<String>,
    #[schema(schema_with = schema::time)]
    created_at: Time,
    #[schema(schema_with = schema::optional_time)]
    next_attempt_at: Option<Time>,
    #[schema(schema_with = schema::optional_time)]
    settled_at: Option<Time>,
}

/// Lists deliveries without their attempts, and counts them by state.
#[utoipa::path(
    get, path = "/deliveries/overview", tag = "simulator", params(OverviewQuery),
    responses((status = 200, body = Overview)),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    scope: Scope,
    Query(query): Query<OverviewQuery>,
) -> Result<Json<Overview>, Problem> {
    let limit = list::limit(query.limit)?;
    if query.text.as_ref().is_some_and(|text| text.chars().count() > TEXT) {
        return Err(Problem::field("text", "has more than 200 characters"));
    }
    let text = query.text.as_deref().map(str::to_lowercase).filter(|text| !text.is_empty());
    app.service.read(|state| {
        let before = match &query.before {
            Some(id) => state.delivery(id).ok_or_else(|| Problem::not_found("delivery"))?.0,
            None => u64::MAX,
        };
        let matches = |delivery: &&Arc<Delivery>| {
            scope.covers(&delivery.agent_id)
                && query.state.is_none_or(|state| state == delivery.state)
                && (query.rule_id.is_none() || query.rule_id == delivery.rule_id)
                && text.as_ref().is_none_or(|text| has_text(state, delivery, text))
        };
        let older = state.deliveries.range(..before).rev().map(|(_, delivery)| delivery);
        let mut matching = older.filter(matches);
        let deliveries = matching.by_ref().take(limit).map(|it| summary(state, it)).collect();
        Ok(Json(Overview {
            deliveries,
            more: matching.next().is_some(),
            counts: counts(state, &scope),
            last_event: state.last_event(),
        }))
    })
}

fn has_text(state: &Simulated, delivery: &Delivery, text: &str) -> bool {
    let message = state.message(&delivery.message_id);
    message.is_some_and(|message| {
        let mut texts = [&message.subject, &message.sender].into_iter().flatten();
        texts.any(|it| it.to_lowercase().contains(text))
    })
}

fn counts(state: &Simulated, scope: &Scope) -> Counts {
    let mut counts = Counts::default();
    for delivery in state.deliveries.values().filter(|it| scope.covers(&it.agent_id)) {
        match delivery.state {
            DeliveryState::Pending => counts.pending += 1,
            DeliveryState::Delivered => counts.delivered += 1,
            DeliveryState::Dead => counts.dead += 1,
        }
    }
    counts
}

fn summary(state: &Simulated, delivery: &Delivery) -> Summary {
    let message = state.message(&delivery.message_id);
    let of_message =
        |field: fn(&Message) -> &Option<String>| message.and_then(|message| field(message).clone());
    let newest = delivery.attempts.last();
    let error = newest.and_then(|attempt| attempt.exchanges.first()?.error.clone());
    Summary {
        delivery_id: delivery.delivery_id.clone(),
        agent_id: delivery.agent_id.clone(),
        message_id: delivery.message_id.clone(),
        rule_id: delivery.rule_id.clone(),
        sender: of_message(|message| &message.sender),
        subject: of_message(|message| &message.subject),
        state: delivery.state,
        status: delivery.status(),
        error,
        fault: newest.and_then(|attempt| attempt.fault),
        attempts_made: delivery.attempts_made,
        redrives: delivery.redrives,
        reason: delivery.reason.clone(),
        created_at: delivery.created_at,
        next_attempt_at: delivery.next_attempt_at,
        settled_at: delivery.settled_at,
    }
}
