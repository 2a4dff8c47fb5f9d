//! Receives deliveries, and reloads its secret from a file while it runs.
//!
//! ```sh
//! printf whsec_test_secret > /tmp/signing-secret
//! WEBHOOK_SIGNING_SECRET_FILE=/tmp/signing-secret \
//!   cargo run -p agentmail-examples-rotate
//! ```
//!
//! | variable | what it sets | default |
//! | --- | --- | --- |
//! | `WEBHOOK_SIGNING_SECRET_FILE` | the file with the agent's signing secret | |
//! | `FORMER_SECRET_SECONDS` | how long a secret is accepted after a newer one has verified a delivery | 600 |
//! | `LOOK_EVERY_MILLISECONDS` | how often the file is read | 1000 |
//! | `LISTEN` | the address | `127.0.0.1:8080` |
//! | `RUST_LOG` | what is logged | `info,agentmail=debug` |
//!
//! docs/rotate.md has the order of steps.

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    time::Duration,
};

use agentmail_axum::{Event, SecretFile, Verified, VerifyLayer};
use axum::{Router, routing::post};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

async fn on_event(Verified(event): Verified<Event>) {
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
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info,agentmail=debug".into()))
        .with_ansi(io::stdout().is_terminal())
        .log_internal_errors(false) // a log that cannot be written must not fail a request
        .init();

    let file = env::var_os("WEBHOOK_SIGNING_SECRET_FILE")
        .ok_or("WEBHOOK_SIGNING_SECRET_FILE: the environment variable is not set")?;
    let secret = SecretFile::new(file)?
        .with_overlap(Duration::from_secs(number("FORMER_SECRET_SECONDS", 600)?))
        .with_interval(Duration::from_millis(number("LOOK_EVERY_MILLISECONDS", 1_000)?));
    let verify = VerifyLayer::new(secret);
    let app = Router::new().route("/agentmail/webhook", post(on_event).route_layer(verify));

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

/// Reads a number from the environment.
fn number(name: &str, default: u64) -> Result<u64, String> {
    let Some(text) = env::var_os(name) else { return Ok(default) };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("{name}: not a number"))
}
