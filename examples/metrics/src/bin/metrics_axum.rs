//! Exports metrics to Prometheus, and traces to OpenTelemetry: a receiver in axum with an inbox.
//!
//! ```sh
//! WEBHOOK_SIGNING_SECRET=whsec_test_secret \
//!   cargo run -p agentmail-examples-metrics --bin metrics_axum
//! curl http://127.0.0.1:9464/metrics
//! ```
//!
//! | variable | what it sets | default |
//! | --- | --- | --- |
//! | `WEBHOOK_SIGNING_SECRET` | the agent's signing secret | |
//! | `LISTEN` | the address | `127.0.0.1:8080` |
//! | `METRICS` | the address for Prometheus; keep it private | `127.0.0.1:9464` |
//! | `RUST_LOG` | what is logged, and which spans there are | `info,agentmail=debug` |
//! | `INBOX` | the database; it is created if it does not exist | `inbox.db` |
//! | `ATTEMPTS` | how often a message is tried | 12 |
//! | `TRACES` | `stdout` prints the spans for OpenTelemetry | none |
//! | `SAMPLE_INTERVAL` | how often the inbox is sampled, in milliseconds | 15000 |
//! | `FAULT` | a file that makes the work hang or fail: see `faults.rs` | none |
#![forbid(unsafe_code)]

use std::{env, error::Error, time::Duration};

use agentmail_axum::{
    Delivery, Event, Label, Secret, Verifier, VerifyLayer, WebhookRejection, metrics::BUCKETS,
};
use agentmail_examples_metrics::{faults::Fault, traces};
use agentmail_inbox::{BoxError, Inbox, InboxConfig, Message, SqliteStore};
use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::{net::TcpListener, time};
use tower_http::trace::TraceLayer;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Stores the message, together with the span of this request.
async fn on_event(State(inbox): State<Inbox>, delivery: Delivery) -> Result<(), WebhookRejection> {
    match traces::trace_parent() {
        Some(trace_parent) => inbox.store_traced(&delivery, &trace_parent).await?,
        None => inbox.store(&delivery).await?,
    };
    Ok(())
}

/// Does the work for one message: **replace this with your own**.
async fn work(message: Message, fault: Fault) -> Result<(), BoxError> {
    traces::link(&message);
    fault.inject().await?;
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

/// Installs the recorder of the process, and then registers the metrics.
fn install_exporter() -> Result<PrometheusHandle, BuildError> {
    let mut exporter = PrometheusBuilder::new();
    for (name, bounds) in BUCKETS {
        exporter = exporter.set_buckets_for_metric(Matcher::Full((*name).into()), bounds)?;
    }
    let exporter = exporter.install_recorder()?;
    agentmail_inbox::metrics::register(); // also the metrics of deliveries
    Ok(exporter)
}

/// Responds to Prometheus, at an address of its own.
async fn serve_metrics(address: &str, exporter: PrometheusHandle) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    let render = exporter.clone();
    let app = Router::new().route("/metrics", get(async move || render.render()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    // Without this, memory grows while nothing scrapes.
    tokio::spawn(async move {
        loop {
            time::sleep(Duration::from_secs(5)).await;
            exporter.run_upkeep();
        }
    });
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let variable = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.into());
    let provider = (variable("TRACES", "") == "stdout").then(traces::to_stdout);
    tracing_subscriber::registry()
        .with(provider.as_ref().map(traces::layer))
        .with(EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,agentmail=debug".into()))
        .with(tracing_subscriber::fmt::layer().with_ansi(false).log_internal_errors(false))
        .init();

    let exporter = install_exporter()?;
    serve_metrics(&variable("METRICS", "127.0.0.1:9464"), exporter).await?;

    // The label is in a metric: it shows whether an old secret is still in use.
    let secret = Secret::from_env("WEBHOOK_SIGNING_SECRET")?.with_label(Label::new("2026-11")?);
    let interval = Duration::from_millis(variable("SAMPLE_INTERVAL", "15000").parse()?);
    let config = InboxConfig::default().with_sample_interval(interval);
    let store = SqliteStore::open(variable("INBOX", "inbox.db")).await?;
    let inbox = Inbox::with_config(store, config);
    let app = Router::new()
        .route(
            "/agentmail/webhook",
            post(on_event).route_layer(VerifyLayer::new(Verifier::new(secret))),
        )
        .layer(TraceLayer::new_for_http()) // the span of the request
        .with_state(inbox.clone());

    let listener = TcpListener::bind(variable("LISTEN", "127.0.0.1:8080")).await?;
    tracing::info!("listening at http://{}", listener.local_addr()?);
    let fault = Fault::from_env();
    let workers = inbox
        .worker(move |message| work(message, fault.clone()))
        .with_attempts(variable("ATTEMPTS", "12").parse()?)
        .spawn();
    let stop = async { _ = tokio::signal::ctrl_c().await };
    let served = agentmail_axum::serve(listener, app).with_graceful_shutdown(stop).await;
    workers.drain(Duration::from_secs(15)).await;
    Ok(served?)
}
