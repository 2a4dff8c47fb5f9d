//! Stores first, answers 200, works later: the shape recommended for production.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret INBOX=inbox.db cargo run -p agentmail-examples-inbox
//! ```
//!
//! A delivery is answered 200 once its message stands on disk, and 503 if it cannot be written. From
//! there workers take it: at least once, again after a failure, and not for ever. SIGTERM and SIGINT
//! let the current work end; the rest stays for the next start.
//!
//! | variable | what it is | default |
//! | --- | --- | --- |
//! | `WEBHOOK_SIGNING_SECRET` | the agent's signing secret | |
//! | `LISTEN` | the address | `127.0.0.1:8080` |
//! | `INBOX` | the database; made if it is not there | `inbox.db` |
//! | `ATTEMPTS` | how often a message is tried | 12 |
//! | `FIRST_PAUSE` | after the first failure, in milliseconds; doubled by each that follows | 1000 |
//! | `TIME_LIMIT` | of one attempt, in milliseconds | 60000 |
//! | `FAIL_FIRST`, `POISON`, `HOLD` | faults to try it with: see `work.rs` | none |
//!
//! `GET /handled` answers the number of messages that are done, `GET /inbox` those of all states.
#![forbid(unsafe_code)]

mod counts;
mod database;
mod environment;
mod error;
mod identity;
mod inbox;
mod message;
mod schedule;
mod work;
mod worker;

use std::{env, error::Error, path::PathBuf, process::ExitCode, time::Duration};

use agentmail_axum::{Delivery, Event, Verified, VerifyLayer, WebhookConfig};
use agentmail_examples::{exit_code, listener, shutdown_requested, start_logging, webhook_config};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time};

use self::{
    error::InboxError, identity::Identity, inbox::Inbox, schedule::Schedule, work::Faults,
    worker::Worker,
};

/// How many messages are worked on at once.
const WORKERS: usize = 4;
/// How long the answer may wait for the disk, and a shutdown for the clients.
const PATIENCE: Duration = Duration::from_secs(10);

fn app(webhooks: WebhookConfig, inbox: Inbox) -> Router {
    Router::new()
        .route("/agentmail/webhook", post(on_event))
        .route_layer(VerifyLayer::new(webhooks))
        // Counting takes longer the more there is: keep these two from the internet.
        .route("/handled", get(handled))
        .route("/inbox", get(counts))
        .with_state(inbox)
}

/// Answers 200 for a message that is stored, whether by this delivery or by an earlier one.
async fn on_event(
    State(inbox): State<Inbox>,
    Verified(event): Verified<Event>,
    delivery: Delivery,
) -> Response {
    let (kind, identity) = Identity::of(event, delivery.body());
    let stored = inbox.store(kind, identity, delivery.body().clone());
    match time::timeout(PATIENCE, stored).await {
        Ok(Ok(new)) => {
            tracing::info!(new, "stored");
            StatusCode::OK.into_response()
        }
        // The service sees a failure, and the message is found in its dead letter queue at the latest.
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
async fn main() -> ExitCode {
    exit_code(serve().await)
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let webhooks = webhook_config()?;
    let (schedule, faults) = (Schedule::from_env()?, Faults::from_env()?);
    let path = env::var_os("INBOX").map_or_else(|| "inbox.db".into(), PathBuf::from);
    let inbox = Inbox::open(&path)?;
    start_logging();
    let shutdown = shutdown_requested()?;
    let listener = TcpListener::from_std(listener()?)?;

    let (stop, mut stopping) = watch::channel(false);
    tokio::spawn(async move {
        shutdown.await;
        stop.send_replace(true);
    });
    let worker = Worker::new(inbox.clone(), schedule, faults, stopping.clone());
    let workers: JoinSet<()> = (0..WORKERS).map(|_| worker.clone().run()).collect();
    tokio::spawn(worker::forget_old(inbox.clone()));

    let mut stopped = stopping.clone();
    let server = axum::serve(listener, app(webhooks, inbox)).with_graceful_shutdown(async move {
        _ = stopped.wait_for(|stop| *stop).await;
    });
    tokio::select! {
        served = server => served?,
        // What a client has not sent by then was not answered, so that it has lost nothing.
        () = async { _ = stopping.wait_for(|stop| *stop).await; time::sleep(PATIENCE).await } => {}
    }
    workers.join_all().await;
    Ok(())
}
