//! Traces for OpenTelemetry: a delivery from its request to the attempts of the inbox.
//!
//! The attempts come later, and may run in another process. So they are traces of their own, and
//! link to the span of the request.

use std::collections::HashMap;

use agentmail_inbox::Message;
use opentelemetry::{
    propagation::TextMapPropagator,
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, registry::LookupSpan};

/// Prints each span when it has ended. In production, use the exporter of `opentelemetry-otlp`.
#[must_use]
pub fn to_stdout() -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_simple_exporter(opentelemetry_stdout::SpanExporter::default())
        .build()
}

/// Passes the spans of `tracing` on.
#[must_use]
pub fn layer<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    tracing_opentelemetry::layer().with_tracer(provider.tracer("receiver"))
}

/// Returns the current span in the form of the header `traceparent`, to store it with the message.
/// `None`: no trace is recorded.
#[must_use]
pub fn trace_parent() -> Option<String> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut headers);
    headers.remove("traceparent")
}

/// Links the current span, which is the one of the attempt, to the span that stored the message.
pub fn link(message: &Message) {
    let Some(trace_parent) = message.trace_parent() else { return };
    let headers = HashMap::from([("traceparent".to_owned(), trace_parent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&headers);
    let request = context.span().span_context().clone();
    if request.is_valid() {
        Span::current().add_link(request);
    }
}
