use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse,
        sse::{Event as Frame, KeepAlive, Sse},
    },
};
use futures_core::Stream;
use futures_util::stream;
use http::HeaderMap;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    api::App,
    error::Problem,
    record::Event,
    server::{Query, Scope},
};

/// How many events are read from the state at once.
const PAGE: usize = 100;
/// After which time without an event a comment is sent.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// For the operator: only the events of this agent.
    #[serde(rename = "agent_id")]
    #[param(rename = "agent_id", max_length = 64)]
    _agent_id: Option<String>,
    /// The same as `Last-Event-ID`, for the first connection. 0: from the oldest event.
    after: Option<u64>,
}

/// Sends events as server-sent events.
///
/// A client that reconnects with `Last-Event-ID` gets what it missed. If that is no longer kept,
/// the first event is `gap`: read the lists again. Without `Last-Event-ID` and `after`, only new
/// events are sent.
#[utoipa::path(
    get, path = "/events", tag = "simulator",
    params(EventsQuery, ("Last-Event-ID" = Option<u64>, Header)),
    responses((
        status = 200, content_type = "text/event-stream", body = Event,
        description = "The `data` of each event is an `Event` as JSON.",
    )),
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    scope: Scope,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Problem> {
    let last = match headers.get("last-event-id") {
        Some(value) => {
            let id = value.to_str().ok().and_then(|value| value.parse().ok());
            Some(id.ok_or_else(|| Problem::field("Last-Event-ID", "is not the id of an event"))?)
        }
        None => query.after,
    };
    let last = last.unwrap_or_else(|| app.service.read(|state| state.last_event()));
    let agent_id = scope.agent_id().map(str::to_owned);
    Ok(Sse::new(events(app, agent_id, last)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Nothing is queued for a slow client: it reads the state when it has sent the previous events.
fn events(
    app: Arc<App>,
    agent_id: Option<String>,
    last: u64,
) -> impl Stream<Item = Result<Frame, Infallible>> {
    let changes = app.service.changes();
    let start = (app, agent_id, last, changes);
    let pages = stream::unfold(start, async |(app, agent_id, last, mut changes)| {
        loop {
            changes.mark_unchanged();
            let page =
                app.service.read(|state| state.events_after(last, agent_id.as_deref(), PAGE));
            if page.gap || !page.events.is_empty() {
                let gap = page.gap.then(|| Frame::default().event("gap").data("{}"));
                let frames: Vec<_> =
                    gap.into_iter().chain(page.events.iter().map(frame)).map(Ok).collect();
                return Some((stream::iter(frames), (app, agent_id, page.last, changes)));
            }
            if changes.changed().await.is_err() {
                return None;
            }
        }
    });
    futures_util::StreamExt::flatten(pages)
}

fn frame(event: &Event) -> Frame {
    let data = serde_json::to_string(event).unwrap_or_default();
    Frame::default().id(event.id.to_string()).event(event.kind.name()).data(data)
}
