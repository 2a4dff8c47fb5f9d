use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    net::TcpListener,
    process::ExitCode,
};

use agentmail_axum::{Secret, Verifier, WebhookConfig};
use tokio::signal::unix::{SignalKind, signal};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Reads the secret from `WEBHOOK_SIGNING_SECRET`.
///
/// # Errors
///
/// It is not set, or cannot be a secret.
pub fn webhook_config() -> Result<WebhookConfig, Box<dyn Error>> {
    let secret = env::var("WEBHOOK_SIGNING_SECRET").map_err(
        |_| "WEBHOOK_SIGNING_SECRET is not set: it must hold the agent's signing secret",
    )?;
    let secret = Secret::new(secret).map_err(|error| format!("WEBHOOK_SIGNING_SECRET: {error}"))?;
    Ok(Verifier::new(secret).into())
}

/// Listens at `LISTEN`, by default at `127.0.0.1:8080`, and says so.
///
/// # Errors
///
/// The address is malformed or taken.
pub fn listener() -> Result<TcpListener, Box<dyn Error>> {
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(&address)
        .map_err(|error| format!("cannot listen at {address}: {error}"))?;
    // As tokio and actix-web want it.
    listener.set_nonblocking(true)?;
    tracing::info!("listening at http://{}", listener.local_addr()?);
    Ok(listener)
}

/// Logs to standard output: what the library refuses and why, and what the example itself says.
/// `RUST_LOG` overrides it, as in `RUST_LOG=agentmail=warn`.
pub fn start_logging() {
    let targets = env::var("RUST_LOG").ok().and_then(|targets| targets.parse().ok());
    let default = || {
        Targets::new().with_default(LevelFilter::INFO).with_target("agentmail", LevelFilter::DEBUG)
    };
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_ansi(io::stdout().is_terminal()))
        .with(targets.unwrap_or_else(default))
        .init();
}

/// Returns a future that waits for SIGINT or SIGTERM. Neither is missed once this has returned.
///
/// # Errors
///
/// The signals cannot be listened for.
pub fn shutdown_requested() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("shutting down");
    })
}

/// Turns the outcome of an example into its exit status, with one sentence on standard error.
#[must_use]
#[expect(clippy::print_stderr, reason = "the sentence is for whoever ran the example")]
pub fn exit_code(outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
