//! The receiver of `benches/load/unique`, which handles each message once, or does not try to.
//!
//! | variable | what it sets | default |
//! | --- | --- | --- |
//! | `ONCE` | `store`: the layer with a `RedisStore`; `set-nx`: `SET NX` in the handler; `none` | `none` |
//! | `REDIS_URL` | the server | `redis://127.0.0.1:6379` |
//! | `LISTEN` | the address | `127.0.0.1:8080` |

use std::{
    env,
    error::Error,
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use agentmail_axum::{
    MailReceived, Secret, Verified, Verifier, VerifyLayer,
    dedupe::{Claims, RedisStore},
};
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use redis::aio::MultiplexedConnection;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

#[derive(Clone)]
struct AppState {
    handled: Arc<AtomicU64>,
    redis: Option<MultiplexedConnection>,
}

async fn on_mail(
    State(state): State<AppState>,
    Verified(mail): Verified<MailReceived>,
) -> StatusCode {
    if let Some(mut redis) = state.redis {
        let mut set = redis::cmd("SET");
        set.arg(format!("{}:{}", mail.agent_id, mail.message_id)).arg(1);
        // Three days, as the `RedisStore` does.
        set.arg("NX").arg("EX").arg(3 * 24 * 3_600);
        match set.query_async::<Option<String>>(&mut redis).await {
            Ok(Some(_)) => {}
            Ok(None) => return StatusCode::OK,
            Err(_) => return StatusCode::SERVICE_UNAVAILABLE,
        }
    }
    state.handled.fetch_add(1, Ordering::Relaxed);
    StatusCode::OK
}

async fn handled(State(state): State<AppState>) -> String {
    state.handled.load(Ordering::Relaxed).to_string()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let once = env::var("ONCE").unwrap_or_else(|_| "none".into());
    let verifier = Verifier::new(Secret::from_env("WEBHOOK_SIGNING_SECRET")?);
    let verify = VerifyLayer::new(verifier);
    let redis = if once == "set-nx" {
        Some(redis::Client::open(url.as_str())?.get_multiplexed_async_connection().await?)
    } else {
        None
    };
    let webhook = post(on_mail);
    let webhook = if once == "store" {
        webhook.route_layer(verify.dedupe(Claims::new(RedisStore::new(&url)?), "unique"))
    } else {
        webhook.route_layer(verify)
    };
    let app = Router::new()
        .route("/agentmail/webhook", webhook)
        .route("/handled", get(handled))
        .with_state(AppState { handled: Arc::default(), redis });

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
