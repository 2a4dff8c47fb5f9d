//! Receives deliveries behind a layer: verified before anything inside it runs.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret cargo run -p agentmail-examples --bin axum_layer
//! ```

use std::{
    error::Error,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use agentmail_axum::{Event, Verified, VerifyLayer, WebhookConfig};
use agentmail_examples::{
    exit_code, listener, note, shutdown_requested, start_logging, webhook_config,
};
use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use tokio::net::TcpListener;

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
    let app = app(webhook_config()?);
    start_logging();
    let shutdown = shutdown_requested()?;
    let listener = TcpListener::from_std(listener()?)?;
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}
