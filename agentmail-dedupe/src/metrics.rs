//! Metrics, recorded with the crate [`metrics`](https://docs.rs/metrics) 0.24.
//!
//! With the feature `metrics`, each [`Claims`](crate::Claims) records its outcomes. Install a
//! recorder of the same version of that crate, then call [`register`].
//!
//! | metric | type | labels |
//! | --- | --- | --- |
//! | `agentmail_dedupe_total` | counter | `outcome`: the names of [`DedupeOutcome`] |
//! | `agentmail_store_duration_seconds` | histogram | `op`: the names of [`StoreOp`]; `store`: `memory`, `redis`, `other` |

use std::sync::OnceLock;

use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use crate::{
    observer::{DedupeEvent, DedupeOutcome, Observer, StoreCall, StoreOp},
    telemetry,
};

/// The bounds of the buckets of each histogram, by its name. Without them, most exporters make a
/// summary of a histogram.
pub const BUCKETS: &[(&str, &[f64])] = &[(
    STORE_DURATION,
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
)];

const DEDUPE: &str = "agentmail_dedupe_total";
const STORE_DURATION: &str = "agentmail_store_duration_seconds";

/// Describes the metrics, and creates the counters with the value 0. Call it once, after the
/// recorder is installed.
///
/// Without this call, a series is created at its first outcome: then no alert notices its first
/// increase. If no recorder is installed, this function logs a warning and does nothing else.
pub fn register() {
    if is_installed() {
        HANDLES.get_or_init(Handles::new);
    } else {
        telemetry::no_recorder();
    }
}

static HANDLES: OnceLock<Handles> = OnceLock::new();

/// Handles that were created without a recorder would never record anything.
fn handles() -> Option<&'static Handles> {
    HANDLES.get().or_else(|| is_installed().then(|| HANDLES.get_or_init(Handles::new)))
}

/// Returns whether a recorder is installed. The one that `metrics` uses otherwise has no fields.
fn is_installed() -> bool {
    metrics::with_recorder(|recorder| size_of_val(recorder) > 0)
}

/// The names of the stores of this crate. Every other store is `other`.
const STORES: [&str; 3] = ["memory", "redis", "other"];

struct Handles {
    outcomes: [Counter; DedupeOutcome::ALL.len()],
    /// By store and call. Created when first used: most apps have one store.
    calls: [[OnceLock<Histogram>; StoreOp::ALL.len()]; STORES.len()],
}

impl Handles {
    fn new() -> Self {
        describe_counter!(DEDUPE, Unit::Count, "Claims of messages, by outcome.");
        describe_histogram!(
            STORE_DURATION,
            Unit::Seconds,
            "How long calls of the claim store and of the inbox's store take."
        );
        Self {
            outcomes: DedupeOutcome::ALL
                .map(|outcome| counter!(DEDUPE, "outcome" => outcome.name())),
            calls: Default::default(),
        }
    }
}

/// The observer that records metrics.
pub(crate) struct Recorded;

impl Observer for Recorded {
    fn outcome(&self, event: &DedupeEvent) {
        let Some(handles) = handles() else { return };
        let counters = DedupeOutcome::ALL.iter().zip(&handles.outcomes);
        for (outcome, counter) in counters {
            if *outcome == event.outcome {
                counter.increment(1);
            }
        }
    }

    fn store_call(&self, call: &StoreCall) {
        let Some(handles) = handles() else { return };
        let known = STORES.iter().position(|store| *store == call.store);
        let store = known.unwrap_or(STORES.len().saturating_sub(1));
        let op = StoreOp::ALL.iter().position(|op| *op == call.op).unwrap_or_default();
        let series = handles.calls.get(store).and_then(|calls| calls.get(op));
        let (Some(series), Some(name)) = (series, STORES.get(store)) else { return };
        series
            .get_or_init(|| histogram!(STORE_DURATION, "op" => call.op.name(), "store" => *name))
            .record(call.duration);
    }
}
