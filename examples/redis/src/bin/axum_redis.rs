//! Handles each message once, in any number of processes that share a Redis server.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret REDIS_URL=redis://127.0.0.1:6379 cargo run -p agentmail-examples-redis
//! ```
//!
//! | variable | what it sets | default |
//! | --- | --- | --- |
//! | `REDIS_URL` | the server; `rediss://` needs the feature `tls` | `redis://127.0.0.1:6379` |
//! | `LEASE_SECONDS` | after how long a crashed process frees its messages | 60 |
//! | `HANDLER_MILLIS` | how long the handler takes, to try what happens meanwhile | 0 |
//! | `HANDLER_FAILURES` | how many runs of the handler answer 500 before the first one succeeds | 0 |

use std::{
    env,
    error::Error,
    process::ExitCode,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agentmail_axum::{Event, Redis, Store, Verified, VerifyLayer};
use agentmail_examples::{
    exit_code, listener, note, shutdown_requested, start_logging, webhook_config,
};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use tokio::{net::TcpListener, time::sleep};

#[derive(Clone)]
struct AppState {
    handled: Arc<AtomicU64>,
    failures_left: Arc<AtomicU64>,
    takes: Duration,
}

async fn on_event(State(state): State<AppState>, Verified(event): Verified<Event>) -> StatusCode {
    note(&event);
    sleep(state.takes).await;
    let one_less = |left: u64| left.checked_sub(1);
    let relaxed = Ordering::Relaxed;
    if state.failures_left.fetch_update(relaxed, relaxed, one_less).is_ok() {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    state.handled.fetch_add(1, Ordering::Relaxed);
    StatusCode::OK
}

async fn handled(State(state): State<AppState>) -> String {
    state.handled.load(Ordering::Relaxed).to_string()
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(serve().await)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let redis = Redis::new(&url).map_err(|error| format!("REDIS_URL: {error}"))?;
    let lease = Duration::from_secs(number("LEASE_SECONDS", 60)?);
    let store = Store::new(redis).with_lease(lease)?;
    let state = AppState {
        handled: Arc::default(),
        failures_left: Arc::new(number("HANDLER_FAILURES", 0)?.into()),
        takes: Duration::from_millis(number("HANDLER_MILLIS", 0)?),
    };
    let app = Router::new()
        .route("/agentmail/webhook", post(on_event))
        .route_layer(VerifyLayer::new(webhook_config()?).dedupe(store.clone(), "axum_redis"))
        .route("/handled", get(handled))
        .with_state(state);

    start_logging();
    let shutdown = shutdown_requested()?;
    let listener = TcpListener::from_std(listener()?)?;
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    // Handlers whose client has gone away still run. A supervisor would not wait for ever either.
    _ = tokio::time::timeout(Duration::from_secs(20), store.drain()).await;
    tracing::info!(counts = ?store.counts(), "drained");
    Ok(())
}

/// Reads a number from the environment.
fn number(name: &str, default: u64) -> Result<u64, String> {
    match env::var(name) {
        Ok(text) => u64::from_str(&text).map_err(|error| format!("{name}: {error}")),
        Err(_) => Ok(default),
    }
}
