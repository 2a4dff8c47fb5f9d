use std::{sync::OnceLock, time::Duration};

use agentmail_verify::UnixTime;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use super::by_secret::BySecret;
use crate::{
    observer::{Accepted, EventRead, LookedUp, LookupOutcome, Observer, Refused},
    refusal::Refusal,
    telemetry,
};

const DELIVERIES: &str = "agentmail_deliveries_total";
const LAST_ACCEPTED: &str = "agentmail_last_accepted_timestamp_seconds";
const AGE: &str = "agentmail_delivery_age_seconds";
const AHEAD: &str = "agentmail_delivery_ahead_seconds";
const VERIFY_DURATION: &str = "agentmail_verify_duration_seconds";
const BODY_BYTES: &str = "agentmail_body_bytes";
const BY_SECRET: &str = "agentmail_accepted_by_secret_total";
const EVENTS: &str = "agentmail_events_total";
const LOOKUPS: &str = "agentmail_tenant_lookups_total";

/// The label `code` of a delivery that is genuine. All others are those of [`Refusal::CODES`].
const ACCEPTED: &str = "accepted";

/// Describes the metrics, and creates the counters with the value 0. Call it once, after the
/// recorder is installed.
///
/// With the feature `dedupe`, it does the same for the metrics of claims.
///
/// The metric `agentmail_last_accepted_timestamp_seconds` begins with the time of this call.
/// Without this call, the series are created at the first outcome: then an alert on silence has
/// nothing to compare, and no alert notices the first increase of a counter.
///
/// If no recorder is installed, this function logs a warning and does nothing else. That is also
/// the case if the recorder is one of another version of the crate `metrics`, or has no fields.
pub fn register() {
    if is_installed() {
        HANDLES.get_or_init(Handles::new);
        #[cfg(feature = "dedupe")]
        agentmail_dedupe::metrics::register();
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

struct Handles {
    accepted: Counter,
    refused: Vec<(&'static str, Counter)>,
    last_accepted: Gauge,
    age: Histogram,
    ahead: Histogram,
    verify_duration: Histogram,
    body_bytes: Histogram,
    by_secret: BySecret,
    events: Vec<(&'static str, Counter)>,
    lookups: Vec<(LookupOutcome, Counter)>,
}

impl Handles {
    fn new() -> Self {
        describe();
        let refused = |code: &&'static str| (*code, counter!(DELIVERIES, "code" => *code));
        let event = |kind| (kind, counter!(EVENTS, "type" => kind));
        let lookup =
            |outcome: LookupOutcome| (outcome, counter!(LOOKUPS, "outcome" => outcome.name()));
        let last_accepted = gauge!(LAST_ACCEPTED);
        // At 0, an alert on silence would fire at once.
        last_accepted.set(seconds(UnixTime::now()));
        Self {
            accepted: counter!(DELIVERIES, "code" => ACCEPTED),
            refused: Refusal::CODES.iter().map(refused).collect(),
            last_accepted,
            age: histogram!(AGE),
            ahead: histogram!(AHEAD),
            verify_duration: histogram!(VERIFY_DURATION),
            body_bytes: histogram!(BODY_BYTES),
            by_secret: BySecret::new(BY_SECRET),
            events: EventRead::KINDS.into_iter().map(event).collect(),
            lookups: LookupOutcome::ALL.into_iter().map(lookup).collect(),
        }
    }
}

fn describe() {
    describe_counter!(
        DELIVERIES,
        Unit::Count,
        "Requests by result: accepted, or the code of the refusal."
    );
    describe_gauge!(
        LAST_ACCEPTED,
        Unit::Seconds,
        "When the last delivery was accepted, in Unix time; at first, when the metrics were \
         registered."
    );
    describe_histogram!(AGE, Unit::Seconds, "How long ago accepted deliveries were signed.");
    describe_histogram!(
        AHEAD,
        Unit::Seconds,
        "How far the timestamps of accepted deliveries are ahead of this machine's clock."
    );
    describe_histogram!(
        VERIFY_DURATION,
        Unit::Seconds,
        "How long the verification of accepted deliveries takes, without waiting for the body."
    );
    describe_histogram!(
        BODY_BYTES,
        Unit::Bytes,
        "The length of the bodies of accepted deliveries."
    );
    describe_counter!(
        BY_SECRET,
        Unit::Count,
        "Accepted deliveries by the label of the secret that matched."
    );
    describe_counter!(EVENTS, Unit::Count, "Events that were read, by type.");
    describe_counter!(LOOKUPS, Unit::Count, "Lookups of tenants for deliveries, by outcome.");
}

/// The observer that records metrics.
pub(crate) struct Recorded;

impl Observer for Recorded {
    fn accepted(&self, accepted: &Accepted) {
        let Some(handles) = handles() else { return };
        handles.accepted.increment(1);
        handles.last_accepted.set(seconds(accepted.received_at));
        let ahead = accepted.ahead();
        if ahead.is_zero() {
            handles.age.record(accepted.age());
        } else {
            handles.ahead.record(ahead);
        }
        handles.verify_duration.record(accepted.verify_time);
        let body_bytes = u32::try_from(accepted.body_bytes).unwrap_or(u32::MAX);
        handles.body_bytes.record(f64::from(body_bytes));
        handles.by_secret.count(accepted.receipt.label(), accepted.looked_up);
    }

    fn refused(&self, refused: &Refused) {
        count(|handles| &handles.refused, refused.refusal.code());
    }

    fn looked_up(&self, looked_up: &LookedUp) {
        count(|handles| &handles.lookups, looked_up.outcome);
    }

    fn event(&self, event: &EventRead) {
        count(|handles| &handles.events, event.kind);
    }
}

fn seconds(time: UnixTime) -> f64 {
    Duration::from_secs(time.as_secs()).as_secs_f64()
}

fn count<L: PartialEq>(series: fn(&Handles) -> &Vec<(L, Counter)>, label: L) {
    let Some(handles) = handles() else { return };
    if let Some((_, counter)) = series(handles).iter().find(|(other, _)| *other == label) {
        counter.increment(1);
    }
}
