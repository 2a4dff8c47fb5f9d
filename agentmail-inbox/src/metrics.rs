//! Metrics, recorded with the crate [`metrics`](https://docs.rs/metrics) 0.24.
//!
//! With the feature `metrics`, each [`Inbox`](crate::Inbox) records its outcomes. Install a
//! recorder of the same version of that crate, with [`BUCKETS`], and then call [`register`].
//! Nothing of a mail, a tenant or a path is a label.
//!
//! The guide of the repository, `docs/metrics.md`, has complete programs, a table of the metrics,
//! and rules for alerts.
//!
//! A process with more than one inbox adds them up in its counters and histograms. Its gauges show
//! the inbox that was sampled last.

use std::{sync::OnceLock, time::Duration};

#[doc(inline)]
pub use agentmail_receive::metrics::BUCKETS;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::observer::{
    AttemptEnded, AttemptOutcome, MessageStored, Observer, Sample, StoreCall, StoreOp,
};
use crate::{store::Stored, telemetry};

const STORED: &str = "agentmail_inbox_stored_total";
const MESSAGES: &str = "agentmail_inbox_messages";
const OLDEST_DUE: &str = "agentmail_inbox_oldest_due_seconds";
const ATTEMPTS: &str = "agentmail_inbox_attempts_total";
const ATTEMPT_DURATION: &str = "agentmail_inbox_attempt_duration_seconds";
const LATENCY: &str = "agentmail_inbox_latency_seconds";
const STORE_DURATION: &str = "agentmail_store_duration_seconds";

/// Describes the metrics, and creates the counters and gauges with the value 0. Call it once, after
/// the recorder is installed.
///
/// It also calls [`agentmail_receive::metrics::register`], so an app with an inbox calls only this
/// function. If no recorder is installed, it logs a warning and does nothing else.
pub fn register() {
    if is_installed() {
        HANDLES.get_or_init(Handles::new);
        agentmail_receive::metrics::register();
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
const STORES: [&str; 4] = ["memory", "postgres", "sqlite", "other"];

struct Handles {
    new: Counter,
    known: Counter,
    due: Gauge,
    waiting: Gauge,
    running: Gauge,
    dead: Gauge,
    oldest_due: Gauge,
    attempts: [(AttemptOutcome, Counter); AttemptOutcome::ALL.len()],
    attempt_duration: Histogram,
    latency: Histogram,
    /// By store and call. Created when first used: most apps have one store.
    calls: [[OnceLock<Histogram>; StoreOp::ALL.len()]; STORES.len()],
}

impl Handles {
    fn new() -> Self {
        describe();
        Self {
            new: counter!(STORED, "outcome" => "new"),
            known: counter!(STORED, "outcome" => "known"),
            due: gauge!(MESSAGES, "state" => "due"),
            waiting: gauge!(MESSAGES, "state" => "waiting"),
            running: gauge!(MESSAGES, "state" => "running"),
            dead: gauge!(MESSAGES, "state" => "dead"),
            oldest_due: gauge!(OLDEST_DUE),
            attempts: AttemptOutcome::ALL
                .map(|outcome| (outcome, counter!(ATTEMPTS, "outcome" => outcome.name()))),
            attempt_duration: histogram!(ATTEMPT_DURATION),
            latency: histogram!(LATENCY),
            calls: Default::default(),
        }
    }
}

fn describe() {
    describe_counter!(STORED, Unit::Count, "Deliveries that were stored, by whether they are new.");
    describe_gauge!(
        MESSAGES,
        Unit::Count,
        "Messages that are not done: due now, waiting for a later time, running, and dead."
    );
    describe_gauge!(
        OLDEST_DUE,
        Unit::Seconds,
        "For how long the oldest message that is due has been due."
    );
    describe_counter!(ATTEMPTS, Unit::Count, "Attempts that have ended, by outcome.");
    describe_histogram!(ATTEMPT_DURATION, Unit::Seconds, "How long attempts take.");
    describe_histogram!(
        LATENCY,
        Unit::Seconds,
        "The time from the arrival of a message until its work is done."
    );
    describe_histogram!(
        STORE_DURATION,
        Unit::Seconds,
        "How long calls of the claim store and of the inbox's store take."
    );
}

/// The observer that records metrics.
pub(crate) struct Recorded;

impl Observer for Recorded {
    fn stored(&self, stored: &MessageStored) {
        let Some(handles) = handles() else { return };
        match stored.stored {
            Stored::New => handles.new.increment(1),
            Stored::Known => handles.known.increment(1),
        }
    }

    fn attempt(&self, ended: &AttemptEnded) {
        let Some(handles) = handles() else { return };
        for (outcome, counter) in &handles.attempts {
            if *outcome == ended.outcome {
                counter.increment(1);
            }
        }
        if let Some(duration) = ended.duration {
            handles.attempt_duration.record(duration);
        }
        if let Some(latency) = ended.latency {
            handles.latency.record(latency);
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

    fn sampled(&self, sample: &Sample) {
        let Some(handles) = handles() else { return };
        handles.oldest_due.set(sample.oldest_due.as_secs_f64());
        if let Some(counts) = sample.counts {
            handles.due.set(number(counts.due));
            handles.waiting.set(number(counts.waiting));
            handles.running.set(number(counts.running));
            handles.dead.set(number(counts.dead));
        }
    }
}

fn number(count: u64) -> f64 {
    Duration::from_secs(count).as_secs_f64()
}
