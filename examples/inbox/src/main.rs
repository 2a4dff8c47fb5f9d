//! Stores a message, responds with 200, and works on the message later. Recommended in production.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret INBOX=inbox.db \
//!   cargo run -p agentmail-examples-inbox --bin transactional_inbox
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
//! | `FAIL_FIRST`, `POISON`, `HOLD` | faults to try the inbox with: see `faults.rs` | none |
//!
//! `GET /handled` returns the number of messages that are done. `GET /inbox` returns the number of
//! messages in each state.
#![forbid(unsafe_code)]

mod faults;

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    num::NonZeroU32,
    time::Duration,
};

use agentmail_axum::{Delivery, Event, Secret, Verifier, VerifyLayer, WebhookRejection};
use agentmail_inbox::{Backoff, BoxError, Counts, Inbox, Message};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

use crate::faults::{Faults, number};

/// How many messages are worked on at once.
const CONCURRENCY: usize = 4;
/// How long a shutdown waits for the clients, and then for the current work. Kubernetes kills the
/// process after 30 seconds.
const PATIENCE: Duration = Duration::from_secs(10);
const LAST_WORK: Duration = Duration::from_secs(15);

/// Responds with 200 if the message is stored, by this delivery or by an earlier one.
async fn on_event(State(inbox): State<Inbox>, delivery: Delivery) -> Result<(), WebhookRejection> {
    inbox.store(&delivery).await?;
    Ok(())
}

/// Does the work for one message: **replace this with your own**.
///
/// It runs at least once for each message. It runs again after a crash between its effect and the
/// record of it. So make the effect safe to repeat, pass the message's key on as an idempotency
/// key, or write the effect with `message.finish_in`.
///
/// At the time limit it is dropped, which can only happen where it awaits. Run blocking code in
/// `spawn_blocking`, with a limit of its own.
async fn work(message: Message, faults: Faults) -> Result<(), BoxError> {
    faults.inject(&message).await?;
    match message.event() {
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
    Ok(())
}

async fn handled(State(inbox): State<Inbox>) -> Result<String, StatusCode> {
    Ok(counted(&inbox).await?.done.to_string())
}

async fn counts(State(inbox): State<Inbox>) -> Result<String, StatusCode> {
    let Counts { waiting, taken, done, dead, .. } = counted(&inbox).await?;
    Ok(format!(r#"{{"waiting":{waiting},"taken":{taken},"done":{done},"dead":{dead}}}"#))
}

async fn counted(inbox: &Inbox) -> Result<Counts, StatusCode> {
    inbox.counts().await.map_err(|error| {
        tracing::error!(%error, "cannot count");
        StatusCode::SERVICE_UNAVAILABLE
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::new(Secret::from_env("WEBHOOK_SIGNING_SECRET")?);
    let attempts = number("ATTEMPTS")?.map_or(12, NonZeroU32::get);
    let first_pause = Duration::from_millis(number("FIRST_PAUSE")?.unwrap_or(1_000));
    let time_limit = Duration::from_millis(number("TIME_LIMIT")?.unwrap_or(60_000));
    let faults = Faults::from_env()?;
    let path = env::var_os("INBOX").unwrap_or_else(|| "inbox.db".into());

    tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,agentmail=debug".into()),
        )
        .with_ansi(io::stdout().is_terminal())
        .log_internal_errors(false) // a log that cannot be written must not fail a request
        .init();

    let inbox = Inbox::new(agentmail_inbox::SqliteStore::open(path).await?);
    let app = Router::new()
        .route("/agentmail/webhook", post(on_event).route_layer(VerifyLayer::new(verifier)))
        // The more messages there are, the longer counting takes: keep these two private.
        .route("/handled", get(handled))
        .route("/inbox", get(counts))
        .with_state(inbox.clone());
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let stop = async move {
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

    let workers = inbox
        .worker(move |message| work(message, faults.clone()))
        .with_concurrency(CONCURRENCY)
        .with_attempts(attempts)
        .with_backoff(Backoff::new(first_pause, Duration::from_secs(3_600)))
        .with_time_limit(time_limit)
        .spawn();
    // A delivery that has not arrived completely by then gets no response, so nothing is lost.
    let served = agentmail_axum::serve(listener, app)
        .with_shutdown_timeout(PATIENCE)
        .with_graceful_shutdown(stop)
        .await;
    // Work that takes longer is repeated after the next start, as after a crash.
    workers.drain(LAST_WORK).await;
    Ok(served?)
}
