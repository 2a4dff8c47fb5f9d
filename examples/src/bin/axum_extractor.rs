//! Receives deliveries with an extractor that verifies by itself, configured by the state.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret cargo run -p agentmail-examples --bin axum_extractor
//! ```

use std::{
    error::Error,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use agentmail_axum::{Event, Webhook, WebhookConfig};
use agentmail_examples::{
    exit_code, listener, note, shutdown_requested, start_logging, webhook_config,
};
use axum::{
    Router,
    extract::{FromRef, State},
    routing::{get, post},
};
use tokio::net::TcpListener;

#[derive(Clone)]
struct AppState {
    webhooks: WebhookConfig,
    handled: Arc<AtomicU64>,
}

impl FromRef<AppState> for WebhookConfig {
    fn from_ref(state: &AppState) -> Self {
        state.webhooks.clone()
    }
}

fn app(webhooks: WebhookConfig) -> Router {
    Router::new()
        .route("/agentmail/webhook", post(on_event))
        .route("/handled", get(handled))
        .with_state(AppState { webhooks, handled: Arc::default() })
}

async fn on_event(State(state): State<AppState>, Webhook(event): Webhook<Event>) {
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
