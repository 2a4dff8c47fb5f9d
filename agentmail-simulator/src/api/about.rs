use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{api::App, server::Json, settings::Settings, storage::Bucket};

/// What this simulator is, and what it assumes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct About {
    name: &'static str,
    version: &'static str,
    /// What the vendor's guide does not say, and this simulator therefore assumes.
    assumptions: Vec<&'static str>,
    settings: Effective,
    /// The folder that acts as the bucket, on the simulator's machine.
    bucket_folder: String,
    s3_bucket: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
struct Effective {
    attempts: u32,
    first_pause_ms: u64,
    longest_pause_ms: u64,
    timeout_ms: u64,
    keep_timestamp: bool,
    max_messages: u64,
    max_age_ms: Option<u64>,
    max_pending_deliveries: u64,
    loopback_only: bool,
    attempts_at_once: u64,
    attempts_at_once_per_webhook: u64,
}

/// The simulator says these at its start, and in its API.
pub(crate) const ASSUMPTIONS: [&str; 4] = [
    "Retries, their pauses, the timeout and the behaviour of the dead letter queue are assumptions \
     of this simulator. The vendor's guide only says that failed deliveries end in such a queue.",
    "Each retry is signed again, unless --keep-timestamp is set. The guide does not say which.",
    "While an agent has no notification rules, each mail goes to the webhook of PUT /webhook. With \
     rules, only the rules route mail. The guide does not say how the two relate.",
    "PUT /notifications replaces the list, filters are combined with AND, and the entries of one \
     filter with OR. The guide does not say so.",
];

/// Shows the version, the settings, and what the simulator assumes.
#[utoipa::path(get, path = "/about", tag = "simulator", responses((status = 200, body = About)))]
pub(super) async fn about(State(app): State<Arc<App>>) -> Json<About> {
    let Settings { retry, max_messages, max_age, backlog, loopback_only } = app.service.settings;
    let milliseconds =
        |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let number = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Json(About {
        name: "agentmail-simulator",
        version: env!("CARGO_PKG_VERSION"),
        assumptions: ASSUMPTIONS.to_vec(),
        settings: Effective {
            attempts: retry.attempts(),
            first_pause_ms: milliseconds(retry.first_pause()),
            longest_pause_ms: milliseconds(retry.longest_pause()),
            timeout_ms: milliseconds(retry.timeout()),
            keep_timestamp: retry.keep_timestamp(),
            max_messages: number(max_messages),
            max_age_ms: max_age.map(milliseconds),
            max_pending_deliveries: number(backlog),
            loopback_only,
            attempts_at_once: number(Settings::AT_ONCE),
            attempts_at_once_per_webhook: number(Settings::AT_ONCE_PER_WEBHOOK),
        },
        bucket_folder: app.service.bucket_folder().display().to_string(),
        s3_bucket: Bucket::NAME,
    })
}
