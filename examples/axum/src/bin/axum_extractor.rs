//! Receives deliveries with an extractor that verifies them, configured by the router's state.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret \
//!   cargo run -p agentmail-examples-axum --bin axum_extractor
//! ```
//!
//! | variable | what it sets | default |
//! | --- | --- | --- |
//! | `WEBHOOK_SIGNING_SECRET` | the agent's signing secret | |
//! | `LISTEN` | the address | `127.0.0.1:8080` |
//! | `RUST_LOG` | what is logged | `info,agentmail=debug` |

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use agentmail_axum::{Event, Secret, Verifier, Webhook, WebhookConfig};
use axum::{
    Router,
    extract::{FromRef, State},
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

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

async fn on_event(State(state): State<AppState>, Webhook(event): Webhook<Event>) {
    match event {
        // The signature proves that the service sent the event, not who sent the mail. The ids are
        // text of the mail's author: `?` escapes them.
        Event::MailReceived(mail) if mail.sender_verified => {
            tracing::info!(?mail.agent_id, ?mail.message_id, "mail received");
        }
        Event::MailReceived(mail) => {
            tracing::warn!(?mail.agent_id, ?mail.message_id, "mail of an unverified sender");
        }
        other => tracing::info!(kind = ?other.kind(), "not a mail"),
    }
    state.handled.fetch_add(1, Ordering::Relaxed);
}

async fn handled(State(state): State<AppState>) -> String {
    state.handled.load(Ordering::Relaxed).to_string()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::new(Secret::from_env("WEBHOOK_SIGNING_SECRET")?);
    let app = Router::new()
        .route("/agentmail/webhook", post(on_event))
        .route("/handled", get(handled))
        .with_state(AppState { webhooks: verifier.into(), handled: Arc::default() });

    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info,agentmail=debug".into()))
        .with_ansi(io::stdout().is_terminal())
        .log_internal_errors(false) // a log that cannot be written must not fail a request
        .init();

    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let shutdown = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("shutting down");
    };

    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen at {address}: {error}"))?;
    tracing::info!("listening at http://{}", listener.local_addr()?);
    agentmail_axum::serve(listener, app).with_graceful_shutdown(shutdown).await?;
    Ok(())
}
