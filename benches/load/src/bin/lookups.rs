//! The receiver of `benches/load/lookups`: a cached lookup, on a source that can be told to fail.
//!
//! | variable | what it sets | default |
//! | --- | --- | --- |
//! | `AGENTS` | how many agents the source knows: `agent-0` and so on | 1000 |
//! | `LATENCY_MS` | how long a lookup takes, in milliseconds | 5 |
//! | `LISTEN` | the address | `127.0.0.1:8080` |

use std::{
    env,
    error::Error,
    future::pending,
    io::{self, IsTerminal},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmail_axum::{
    CacheConfig, CachedLookup, Event, Lookup, Secret, SecretError, Tenant, Verified, Verifier,
    VerifyLayer, path_segment,
};
use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tracing_subscriber::EnvFilter;

/// The source of the secrets.
struct Source {
    agents: usize,
    latency: Duration,
    mode: Mutex<Mode>,
    running: AtomicUsize,
    /// How many lookups ran at once at most.
    peak: AtomicUsize,
}

#[derive(Clone, Default)]
struct Mode {
    fails: bool,
    hangs: bool,
    removed: Option<String>,
}

impl Source {
    fn change(&self, change: impl FnOnce(&mut Mode)) -> Mode {
        let mut mode = self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut mode);
        mode.clone()
    }

    fn knows(&self, agent: &str) -> bool {
        let number = agent.strip_prefix("agent-").and_then(|number| number.parse::<usize>().ok());
        number.is_some_and(|number| number < self.agents)
    }
}

/// A lookup that runs, until it is dropped.
struct Running<'a>(&'a Source);

impl<'a> Running<'a> {
    fn new(source: &'a Source) -> Self {
        let running = source.running.fetch_add(1, Ordering::Relaxed) + 1;
        source.peak.fetch_max(running, Ordering::Relaxed);
        Self(source)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn find(
    source: Arc<Source>,
    agent: String,
) -> Result<Option<Tenant>, Box<dyn Error + Send + Sync>> {
    let _running = Running::new(&source);
    let mode = source.change(|_| {});
    if mode.hangs {
        pending::<()>().await;
    }
    sleep(source.latency).await;
    if mode.fails {
        return Err("the source is down".into());
    }
    if !source.knows(&agent) || mode.removed.as_ref() == Some(&agent) {
        return Ok(None);
    }
    Ok(Some(tenant(agent)?))
}

fn tenant(agent: String) -> Result<Tenant, SecretError> {
    let secret = Secret::new(format!("secret of {agent}"))?;
    Ok(Tenant::new(Verifier::new(secret), agent))
}

async fn set(Path(mode): Path<String>, State(app): State<App>) -> StatusCode {
    app.source.change(|now| {
        now.fails = mode == "fails";
        now.hangs = mode == "hangs";
    });
    StatusCode::NO_CONTENT
}

async fn remove(Path(agent): Path<String>, State(app): State<App>) -> StatusCode {
    app.source.change(|mode| mode.removed = Some(agent));
    StatusCode::NO_CONTENT
}

async fn stats(State(app): State<App>) -> String {
    let counted = app.cached.stats();
    let stats = json!({
        "lookups": counted.lookups,
        "failed": counted.failed,
        "busy": counted.busy,
        "stale": counted.stale,
        "peak": app.source.peak.load(Ordering::Relaxed),
    });
    stats.to_string()
}

#[derive(Clone)]
struct App {
    source: Arc<Source>,
    cached: CachedLookup<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let number = |name, default| env::var(name).map_or(Ok(default), |value| value.parse::<u64>());
    let source = Arc::new(Source {
        agents: number("AGENTS", 1_000)?.try_into()?,
        latency: Duration::from_millis(number("LATENCY_MS", 5)?),
        mode: Mutex::default(),
        running: AtomicUsize::new(0),
        peak: AtomicUsize::new(0),
    });
    let cached = Lookup::with(
        Arc::clone(&source),
        |parts| path_segment(parts.uri.path(), "/agents/", "/webhook"),
        find,
    )
    .cached(CacheConfig::default());
    let webhook = post(async |_: Verified<Event>| ()).route_layer(VerifyLayer::new(cached.clone()));
    let app = Router::new()
        .route("/agents/{agent}/webhook", webhook)
        .route("/source/{mode}", post(set))
        .route("/source/remove/{agent}", post(remove))
        .route("/stats", get(stats))
        .with_state(App { source, cached });

    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info".into()))
        .with_ansi(io::stdout().is_terminal())
        .log_internal_errors(false)
        .init();

    let mut terminate = signal(SignalKind::terminate())?;
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(&address).await?;
    tokio::select! {
        ended = async { axum::serve(listener, app).await } => ended?,
        // The clients of the load keep their connections.
        _ = terminate.recv() => {}
    }
    Ok(())
}
