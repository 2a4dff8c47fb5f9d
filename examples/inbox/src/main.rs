//! Stores a message, responds with 200, and works on the message later. Recommended in production.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret INBOX=inbox.db \
//!   cargo run -p agentmail-examples-inbox
//! ```
//!
//! A delivery gets 200 when its message is on the disk, and 503 if the message cannot be stored.
//! Workers then take the message. The work runs at least once. After a failure it is tried again,
//! up to a limit. SIGTERM and SIGINT let the current work finish, for at most 15 seconds. Other
//! messages wait for the next start.
//!
//! | variable | what it sets | default |
//! | --- | --- | --- |
//! | `WEBHOOK_SIGNING_SECRET` | the agent's signing secret | |
//! | `LISTEN` | the address | `127.0.0.1:8080` |
//! | `RUST_LOG` | what is logged | `info,agentmail=debug` |
//! | `INBOX` | the database; it is created if it does not exist | `inbox.db` |
//! | `ATTEMPTS` | how often a message is tried | 12 |
//! | `FIRST_PAUSE` | the first pause after a failure, in milliseconds; then doubled | 1000 |
//! | `TIME_LIMIT` | the time limit of one attempt, in milliseconds | 60000 |
//! | `FAIL_FIRST`, `POISON`, `HOLD` | faults to try the inbox with: see `work.rs` | none |
//!
//! `GET /handled` returns the number of messages that are done. `GET /inbox` returns the number of
//! messages in each state.
#![forbid(unsafe_code)]

mod counts;
mod database;
mod environment;
mod error;
mod inbox;
mod message;
mod place;
mod schedule;
mod work;
mod worker;

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    path::PathBuf,
    time::Duration,
};

use agentmail_axum::{Delivery, Event, Secret, Verified, Verifier, VerifyLayer};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time,
};
use tracing_subscriber::EnvFilter;

use crate::{error::InboxError, inbox::Inbox, schedule::Schedule, work::Faults, worker::Worker};

/// How many messages are worked on at once.
const WORKERS: usize = 4;
/// How long a response waits for the disk, and a shutdown for the clients.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a shutdown then waits for the current work. Kubernetes kills the process after 30 s.
const LAST_WORK: Duration = Duration::from_secs(15);

/// Responds with 200 if the message is stored, by this delivery or by an earlier one.
async fn on_event(
    State(inbox): State<Inbox>,
    Verified(event): Verified<Event>,
    delivery: Delivery,
) -> Response {
    match time::timeout(PATIENCE, inbox.store(event, delivery)).await {
        Ok(Ok(new)) => {
            tracing::info!(new, "stored");
            StatusCode::OK.into_response()
        }
        // The service then knows that the delivery has failed.
        Ok(Err(error)) => unavailable(&error),
        Err(elapsed) => unavailable(&elapsed),
    }
}

fn unavailable(error: &dyn Error) -> Response {
    tracing::error!(%error, "a message could not be stored");
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "10")]).into_response()
}

async fn handled(State(inbox): State<Inbox>) -> Result<String, StatusCode> {
    Ok(inbox.counts().await.map_err(uncounted)?.done.to_string())
}

async fn counts(State(inbox): State<Inbox>) -> Result<String, StatusCode> {
    Ok(inbox.counts().await.map_err(uncounted)?.to_string())
}

fn uncounted(error: InboxError) -> StatusCode {
    tracing::error!(%error, "cannot count");
    StatusCode::SERVICE_UNAVAILABLE
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::new(Secret::from_env("WEBHOOK_SIGNING_SECRET")?);
    let (schedule, faults) = (Schedule::from_env()?, Faults::from_env()?);
    let path = env::var_os("INBOX").map_or_else(|| "inbox.db".into(), PathBuf::from);
    let inbox = Inbox::open(&path)?;
    let app = Router::new()
        .route("/agentmail/webhook", post(on_event).route_layer(VerifyLayer::new(verifier)))
        // The more messages there are, the longer counting takes: keep these two private.
        .route("/handled", get(handled))
        .route("/inbox", get(counts))
        .with_state(inbox.clone());

    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info,agentmail=debug".into()))
        .with_ansi(io::stdout().is_terminal())
        .log_internal_errors(false) // a log that cannot be written must not fail a request
        .init();

    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (stop, mut stopping) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("shutting down");
        stop.send_replace(true);
    });

    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen at {address}: {error}"))?;
    tracing::info!("listening at http://{}", listener.local_addr()?);

    let worker = Worker::new(inbox.clone(), schedule, faults, stopping.clone());
    let workers: JoinSet<()> = (0..WORKERS).map(|_| worker.clone().run()).collect();
    tokio::spawn(worker::forget_old(inbox));

    // A delivery that has not arrived completely by then gets no response, so nothing is lost.
    agentmail_axum::serve(listener, app)
        .with_shutdown_timeout(PATIENCE)
        .with_graceful_shutdown(async move { _ = stopping.wait_for(|stop| *stop).await })
        .await?;
    // Work that takes longer is repeated after the next start, as after a crash.
    _ = time::timeout(LAST_WORK, workers.join_all()).await;
    Ok(())
}
