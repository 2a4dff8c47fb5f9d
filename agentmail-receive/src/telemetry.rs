//! Every log event of this crate. The target is `agentmail`.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use agentmail_verify::{Label, Receipt};
use tokio::runtime::Handle;
use tracing::{Level, Span, field::Empty};

use crate::{
    delivery::Delivery,
    log_limit::{LogLimit, Tally},
    origin::Origin,
    refusal::Refusal,
    rejection::Rejection,
    source::Change,
};

const TARGET: &str = "agentmail";

/// Creates the span of a delivery, from its headers to the end of its verification.
// Inlined, it would make the function that receives slower, also if the span is disabled.
#[inline(never)]
pub(crate) fn delivery() -> Span {
    tracing::debug_span!(
        target: TARGET,
        "delivery",
        code = Empty,
        tenant = Empty,
        secret_label = Empty,
        body_bytes = Empty,
        error.type = Empty,
        otel.status_code = Empty
    )
}

/// Records how the delivery has ended.
pub(crate) fn received(span: &Span, received: Result<&Delivery, (Refusal, &Origin)>) {
    if span.is_disabled() {
        return;
    }
    match received {
        Ok(delivery) => {
            span.record("code", "accepted")
                .record("secret_label", delivery.receipt().label().as_str())
                .record("body_bytes", delivery.body().len())
                .record("tenant", delivery.tenant_agent_id());
        }
        Err((refusal, origin)) => {
            span.record("code", refusal.code())
                .record("tenant", origin.tenant())
                .record("error.type", refusal.code())
                .record("otel.status_code", "ERROR");
        }
    }
}

#[cfg(feature = "metrics")]
pub(crate) fn no_recorder() {
    tracing::warn!(
        target: TARGET,
        "no recorder of metrics is installed: install one first, for the same version of the crate \
         `metrics`, then call `register`"
    );
}

pub(crate) fn verified(receipt: &Receipt, origin: &Origin) {
    tracing::debug!(
        target: TARGET,
        path = origin.path(),
        tenant = origin.tenant(),
        secret_label = receipt.label().as_str(),
        "delivery verified"
    );
}

/// Logs a refusal at its level. If its code has had too many lines in this minute, the level is
/// debug.
pub(crate) fn refused(rejection: &Rejection, limit: &Arc<LogLimit>) {
    let refusal = rejection.refusal();
    // An operator need not act on copies of a message, so they are not counted.
    if matches!(refusal, Refusal::AlreadyHandled | Refusal::InFlight) {
        return refusal_line(rejection, Level::DEBUG);
    }
    let counted = limit.count(refusal.code(), refusal.level());
    minute_ended(&counted.ended);
    if counted.is_first {
        sum_up_after_a_minute(limit);
    }
    refusal_line(rejection, counted.level);
}

fn refusal_line(rejection: &Rejection, level: Level) {
    let (refusal, origin) = (rejection.refusal(), rejection.origin());
    macro_rules! log {
        ($level:ident) => {
            tracing::event!(
                target: TARGET,
                Level::$level,
                code = refusal.code(),
                status = rejection.response().status(),
                // Text of a client: a subscriber escapes a `str`.
                path = origin.path(),
                tenant = origin.tenant(),
                reason = %refusal,
                error = origin.error(),
                hint = rejection.hint(),
                "{}",
                message(&refusal)
            )
        };
    }

    match level {
        Level::ERROR => log!(ERROR),
        Level::WARN => log!(WARN),
        _ => log!(DEBUG),
    }
}

/// Starts a timer, so that the count is logged even if no refusal follows. Without a runtime, the
/// next refusal logs the count.
fn sum_up_after_a_minute(limit: &Arc<LogLimit>) {
    let Ok(runtime) = Handle::try_current() else { return };
    let limit = Arc::clone(limit);
    runtime.spawn(async move {
        minute_ended(&limit.end().await);
    });
}

/// Logs how many refusals each code had in a minute, if some of them were logged at debug only.
fn minute_ended(tallies: &[(&'static str, Tally)]) {
    for (code, tally) in tallies.iter().filter(|(_, tally)| tally.at_debug > 0) {
        let count = tally.count;
        tracing::warn!(
            target: TARGET, code, count, "all requests refused with this code in the last minute"
        );
    }
}

/// Logs that an optional field is treated as absent, because its JSON type differs from the guide.
pub(crate) fn field_ignored(field: &'static str, origin: &Origin) {
    static LOGGED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

    const MESSAGE: &str =
        "a field has another JSON type than in the vendor's guide, so it is treated as absent";
    let (path, tenant) = (origin.path(), origin.tenant());
    if LOGGED.lock().unwrap_or_else(PoisonError::into_inner).insert(field) {
        tracing::warn!(target: TARGET, field, path, tenant, "{MESSAGE}");
    } else {
        tracing::debug!(target: TARGET, field, path, tenant, "{MESSAGE}");
    }
}

/// Logs once that a secret file cannot be loaded. The fault names the file.
pub(crate) fn secret_file_failed(fault: &str, in_use: Label) {
    tracing::error!(target: TARGET, fault, %in_use, "cannot load the secret");
}

pub(crate) fn secret_file_recovered(file: &Path) {
    tracing::info!(target: TARGET, ?file, "the secret can be loaded again");
}

pub(crate) fn secret_file_changed(file: &Path, change: &Change) {
    match change {
        Change::Loaded { new, former } => {
            tracing::info!(target: TARGET, ?file, %new, %former, "loaded a new secret");
        }
        Change::Verified { secret } => tracing::info!(
            target: TARGET, ?file, %secret, "first delivery verified with this secret"
        ),
        Change::Superseded { secret, end } => tracing::info!(
            target: TARGET,
            ?file,
            %secret,
            %end,
            "the former secret is accepted until the time in `end`"
        ),
        Change::Ended { secret } => {
            tracing::info!(target: TARGET, ?file, %secret, "former secret no longer accepted");
        }
        Change::Dropped { secret } => tracing::warn!(
            target: TARGET, ?file, %secret, "former secret dropped: too many secrets"
        ),
    }
}

/// The source of the secrets begins to fail, as the deliveries that need it show.
#[cfg(feature = "cache")]
pub(crate) fn last_results_used(error: Option<&str>) {
    tracing::warn!(
        target: TARGET,
        error,
        hint = "check the database that the lookup uses",
        "the lookups of tenants fail or are slow: last known results are used"
    );
}

#[cfg(feature = "cache")]
pub(crate) fn lookups_recovered(stale: u64) {
    tracing::info!(
        target: TARGET,
        stale,
        "the lookups of tenants succeed again; `stale` counts the uses of last known results"
    );
}

/// Logs the most certain cause of a refusal, and the codes of the others.
#[cfg(feature = "diagnose")]
pub(crate) fn diagnosed(diagnosis: &crate::diagnosis::Diagnosis, origin: &Origin) {
    let Some((first, others)) = diagnosis.causes().split_first() else { return };
    let others = others.iter().map(crate::diagnosis::Cause::code).collect::<Vec<_>>().join(", ");
    tracing::warn!(
        target: TARGET,
        cause = first.code(),
        certainty = %first.certainty(),
        path = origin.path(),
        what = first.sentence(),
        fix = first.fix(),
        tried = diagnosis.tried(),
        others,
        "diagnosis of a refused delivery"
    );
}

#[cfg(feature = "diagnose")]
pub(crate) fn diagnosis_is_on() {
    tracing::warn!(
        target: TARGET,
        "the diagnosis is on: responses tell every client why its delivery is refused, so turn it \
         off in production"
    );
}

pub(crate) fn invalid_header(name: &str) {
    tracing::error!(
        target: TARGET,
        name,
        "the refusal hook set a header that HTTP does not allow: the response is sent without it"
    );
}

const fn message(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::AlreadyHandled | Refusal::InFlight => "delivery not handled again",
        Refusal::MissingLayer | Refusal::MissingConfiguration => "webhook setup is wrong",
        _ => "delivery refused",
    }
}
