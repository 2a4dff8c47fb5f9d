//! The example `axum_extractor`, less its verification. Not for use: it believes everybody.

use std::{
    error::Error,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use agentmail_axum::Event;
use agentmail_examples::{exit_code, listener, note, shutdown_requested, start_logging};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use tokio::net::TcpListener;

type Handled = Arc<AtomicU64>;

async fn on_event(State(handled): State<Handled>, body: Bytes) -> Result<(), StatusCode> {
    let event: Event =
        serde_json::from_slice(&body).map_err(|_| StatusCode::UNPROCESSABLE_ENTITY)?;
    note(&event);
    handled.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn handled(State(handled): State<Handled>) -> String {
    handled.load(Ordering::Relaxed).to_string()
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(serve().await)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let app = Router::new()
        .route("/agentmail/webhook", post(on_event))
        .route("/handled", get(handled))
        .with_state(Handled::default());
    start_logging();
    let shutdown = shutdown_requested()?;
    let listener = TcpListener::from_std(listener()?)?;
    axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}
