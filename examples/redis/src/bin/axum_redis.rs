//! Handles each message once, in any number of processes that share a Redis server, a cluster, or a
//! set under Sentinel.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret REDIS_URL=redis://127.0.0.1:6379 \
//!   cargo run -p agentmail-examples-redis
//! ```
//!
//! | variable | what it sets | default |
//! | --- | --- | --- |
//! | `WEBHOOK_SIGNING_SECRET` | the agent's signing secret | |
//! | `LISTEN` | the address | `127.0.0.1:8080` |
//! | `RUST_LOG` | what is logged | `info,agentmail=debug` |
//! | `REDIS_URL` | the server; `rediss://` needs the feature `tls`, `redis-cluster://` needs `cluster` | `redis://127.0.0.1:6379` |
//! | `REDIS_WAIT` | how many replicas must have a claim or a record; 0 does not wait | 0 |
//! | `LEASE_SECONDS` | the time after which a crashed process frees its messages | 60 |
//! | `HANDLER_MILLIS` | how long the handler takes, to see what happens meanwhile | 0 |
//! | `HANDLER_FAILURES` | how many runs of the handler get 500 before the first one succeeds | 0 |

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agentmail_axum::{
    Event, Secret, Verified, Verifier, VerifyLayer,
    dedupe::{Claims, ClaimsConfig, RedisStore},
};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};
use tracing_subscriber::EnvFilter;

#[derive(Clone)]
struct AppState {
    handled: Arc<AtomicU64>,
    failures_left: Arc<AtomicU64>,
    duration: Duration,
}

async fn on_event(State(state): State<AppState>, Verified(event): Verified<Event>) -> StatusCode {
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
    sleep(state.duration).await;
    let one_less = |left: u64| left.checked_sub(1);
    let relaxed = Ordering::Relaxed;
    if state.failures_left.fetch_update(relaxed, relaxed, one_less).is_ok() {
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    state.handled.fetch_add(1, Ordering::Relaxed);
    StatusCode::OK
}

async fn handled(State(state): State<AppState>) -> String {
    state.handled.load(Ordering::Relaxed).to_string()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let verifier = Verifier::new(Secret::from_env("WEBHOOK_SIGNING_SECRET")?);
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let store = RedisStore::new(&url).map_err(|error| format!("REDIS_URL: {error}"))?;
    // Half a second is well below the deadline of a claim, which is two seconds.
    let store = match number("REDIS_WAIT", 0)? {
        0 => store,
        replicas => store.with_wait(replicas.try_into()?, Duration::from_millis(500)),
    };
    let lease = Duration::from_secs(number("LEASE_SECONDS", 60)?);
    let claims = Claims::with_config(store, ClaimsConfig::default().with_lease(lease)?);
    let verify = VerifyLayer::new(verifier).dedupe(claims.clone(), "axum_redis");
    let app = Router::new()
        .route("/agentmail/webhook", post(on_event).route_layer(verify))
        .route("/handled", get(handled))
        .with_state(AppState {
            handled: Arc::default(),
            failures_left: Arc::new(number("HANDLER_FAILURES", 0)?.into()),
            duration: Duration::from_millis(number("HANDLER_MILLIS", 0)?),
        });

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

    // A process that cannot claim would refuse every delivery. If it does not start, a rolling
    // deployment keeps the old one. A supervisor must start it again until the server is up.
    claims.check().await?;

    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen at {address}: {error}"))?;
    tracing::info!("listening at http://{}", listener.local_addr()?);
    // The two limits are 25 seconds together: Kubernetes kills the process after 30.
    agentmail_axum::serve(listener, app)
        .with_shutdown_timeout(Duration::from_secs(15))
        .with_graceful_shutdown(shutdown)
        .await?;
    // A handler whose client has disconnected still runs.
    _ = timeout(Duration::from_secs(10), claims.drain()).await;
    tracing::info!(stats = ?claims.stats(), "drained");
    Ok(())
}

/// Reads a number from the environment.
fn number(name: &str, default: u64) -> Result<u64, String> {
    match env::var(name) {
        Ok(text) => text.parse().map_err(|error| format!("{name}: {error}")),
        Err(_) => Ok(default),
    }
}
