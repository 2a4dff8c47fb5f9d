//! Receives deliveries, and takes a new secret over while it runs.
//!
//! ```sh
//! printf whsec_test_secret > /tmp/signing-secret
//! WEBHOOK_SIGNING_SECRET_FILE=/tmp/signing-secret cargo run -p agentmail-examples --bin rotate
//! ```
//!
//! | variable | what it sets | default |
//! | --- | --- | --- |
//! | `WEBHOOK_SIGNING_SECRET_FILE` | the file that holds the secret | |
//! | `FORMER_SECRET_SECONDS` | how long a secret is accepted after it was replaced | 600 |
//! | `LOOK_EVERY_MILLISECONDS` | how often the file is read | 1000 |
//! | `LISTEN` | the address | `127.0.0.1:8080` |
//!
//! docs/rotate.md tells the order of steps.

mod rotation;

use std::{
    env,
    error::Error,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agentmail_axum::{Event, Verified, VerifyLayer, WebhookConfig};
use agentmail_examples::{exit_code, listener, note, shutdown_requested, start_logging};
use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use tokio::net::TcpListener;

use rotation::Rotation;

#[derive(Clone, Default)]
struct AppState {
    handled: Arc<AtomicU64>,
}

fn app(webhooks: WebhookConfig) -> Router {
    Router::new()
        .route("/agentmail/webhook", post(on_event))
        .route_layer(VerifyLayer::new(webhooks))
        .route("/handled", get(handled))
        .with_state(AppState::default())
}

async fn on_event(State(state): State<AppState>, Verified(event): Verified<Event>) {
    note(&event);
    state.handled.fetch_add(1, Ordering::Relaxed);
}

async fn handled(State(state): State<AppState>) -> String {
    state.handled.load(Ordering::Relaxed).to_string()
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(serve().await)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let file = env::var_os("WEBHOOK_SIGNING_SECRET_FILE")
        .ok_or("WEBHOOK_SIGNING_SECRET_FILE is not set: it must name the secret's file")?;
    let overlap = Duration::from_secs(number("FORMER_SECRET_SECONDS", 600)?);
    let every = Duration::from_millis(number("LOOK_EVERY_MILLISECONDS", 1_000)?);
    let rotation = Rotation::start(file.into(), overlap)?;
    let webhooks = WebhookConfig::new(rotation.verifiers());

    start_logging();
    let shutdown = shutdown_requested()?;
    let listener = TcpListener::from_std(listener()?)?;
    rotation.keep_looking(every);
    axum::serve(listener, app(webhooks)).with_graceful_shutdown(shutdown).await?;
    Ok(())
}

fn number(variable: &str, default: u64) -> Result<u64, String> {
    match env::var(variable) {
        Ok(text) => text.parse().map_err(|_| format!("{variable} is not a whole number")),
        Err(_) => Ok(default),
    }
}
