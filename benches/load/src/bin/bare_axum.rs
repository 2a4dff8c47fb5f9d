//! The example `axum_extractor` without its verification. Do not deploy it: it accepts every
//! request.

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use agentmail_axum::Event;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

type Handled = Arc<AtomicU64>;

async fn on_event(State(handled): State<Handled>, body: Bytes) -> Result<(), StatusCode> {
    let event: Event =
        serde_json::from_slice(&body).map_err(|_| StatusCode::UNPROCESSABLE_ENTITY)?;
    match event {
        Event::MailReceived(mail) if mail.sender_verified => {
            tracing::info!(?mail.agent_id, ?mail.message_id, "mail received");
        }
        Event::MailReceived(mail) => {
            tracing::warn!(?mail.agent_id, ?mail.message_id, "mail of an unverified sender");
        }
        other => tracing::info!(kind = ?other.kind(), "not a mail"),
    }
    handled.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

async fn handled(State(handled): State<Handled>) -> String {
    handled.load(Ordering::Relaxed).to_string()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new()
        .route("/agentmail/webhook", post(on_event))
        .route("/handled", get(handled))
        .with_state(Handled::default());

    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info,agentmail=debug".into()))
        .with_ansi(io::stdout().is_terminal())
        .log_internal_errors(false)
        .init();

    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let shutdown = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };

    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(&address).await?;
    tracing::info!("listening at http://{}", listener.local_addr()?);
    agentmail_axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}
