//! The trace of a delivery: the attempt of the inbox links to the span of the request.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::time::Duration;

use agentmail_axum::{Delivery, Secret, Signer, UnixTime, Verifier, VerifyLayer, WebhookRejection};
use agentmail_examples_metrics::traces;
use agentmail_inbox::{BoxError, Inbox, Message, SqliteStore};
use axum::{Router, body::Body, extract::State, http::Request, routing::post};
use opentelemetry::{Value, trace::SpanId};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tower::ServiceExt;
use tower_http::trace::TraceLayer;
use tracing_subscriber::layer::SubscriberExt;

async fn on_event(State(inbox): State<Inbox>, delivery: Delivery) -> Result<(), WebhookRejection> {
    let trace_parent = traces::trace_parent().unwrap();
    inbox.store_traced(&delivery, &trace_parent).await?;
    Ok(())
}

async fn work(message: Message) -> Result<(), BoxError> {
    traces::link(&message);
    if message.attempt() == 1 { Err("the first one fails".into()) } else { Ok(()) }
}

fn field(span: &SpanData, name: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key.as_str() == name)?;
    Some(match &attribute.value {
        Value::String(text) => text.as_str().to_owned(),
        other => other.to_string(),
    })
}

#[tokio::test]
async fn each_attempt_is_a_trace_of_its_own_that_links_to_the_span_of_the_request() {
    let spans = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let subscriber = tracing_subscriber::registry().with(traces::layer(&provider));
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let folder = std::env::temp_dir().join(format!("agentmail-trace-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let inbox = Inbox::new(SqliteStore::open(folder.join("inbox.db")).await.unwrap());
    let signer = Signer::new(Secret::new("whsec_test_secret").unwrap());
    let verifier = Verifier::new(Secret::new("whsec_test_secret").unwrap());
    let app = Router::new()
        .route("/", post(on_event).route_layer(VerifyLayer::new(verifier)))
        .layer(TraceLayer::new_for_http().make_span_with(|_: &Request<Body>| {
            tracing::info_span!("request", otel.kind = "server")
        }))
        .with_state(inbox.clone());

    let body = r#"{"type":"mail.received","agent_id":"a","message_id":"m"}"#;
    let signed = signer.sign(UnixTime::now(), body.as_bytes());
    let mut request = Request::post("/");
    for (name, value) in signed.headers() {
        request = request.header(name, value);
    }
    let response = app.oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    let pause = Duration::from_millis(10);
    let backoff = agentmail_inbox::Backoff::new(pause, pause);
    let workers = inbox.worker(work).with_backoff(backoff).spawn();
    let named = |name: &str| -> Vec<SpanData> {
        let spans = spans.get_finished_spans().unwrap();
        spans.into_iter().filter(|span| span.name == name).collect()
    };
    while named("attempt").len() < 2 {
        tokio::time::sleep(pause).await;
    }
    workers.drain(Duration::from_secs(10)).await;

    let [request] = &*named("request") else { panic!("one request") };
    let [delivery] = &*named("delivery") else { panic!("one delivery") };
    assert_eq!(delivery.parent_span_id, request.span_context.span_id());
    assert_eq!(field(delivery, "code").as_deref(), Some("accepted"));
    assert_eq!(field(delivery, "secret_label").as_deref(), Some("default"));
    let attempts = named("attempt");
    for (attempt, outcome) in attempts.iter().zip(["failed", "done"]) {
        assert_eq!(field(attempt, "outcome").as_deref(), Some(outcome));
        assert_eq!(attempt.parent_span_id, SpanId::INVALID, "it has no parent");
        assert_ne!(attempt.span_context.trace_id(), request.span_context.trace_id());
        let [link] = &*attempt.links.links else { panic!("one link: {attempt:?}") };
        assert_eq!(link.span_context.trace_id(), request.span_context.trace_id());
        assert_eq!(link.span_context.span_id(), request.span_context.span_id());
    }
    assert_eq!(field(&attempts[0], "error.type").as_deref(), Some("failed"));
    std::fs::remove_dir_all(&folder).unwrap();
}
