use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::telemetry;

/// How often the source is tried while it fails.
const PROBE: Duration = Duration::from_secs(1);
/// How often the log says that the source fails, at most.
const LOG: Duration = Duration::from_secs(60);

/// Whether the source of the secrets fails or is slow, as far as recent lookups show.
pub(super) struct Outage {
    /// How long a failure shows that the source fails, if no lookup succeeds.
    window: Duration,
    failed_at: Option<Instant>,
    /// The last error, unless the source is only slow.
    error: Option<Arc<str>>,
    probed_at: Option<Instant>,
    logged_at: Option<Instant>,
    /// How many last known results were used since the log said so. Zero if it did not.
    used: u64,
}

impl Outage {
    pub(super) fn new(lookup_timeout: Duration) -> Self {
        // All turns may be taken by lookups that hang. The next news comes when they time out.
        let window = lookup_timeout.saturating_add(2 * PROBE);
        Self { window, failed_at: None, error: None, probed_at: None, logged_at: None, used: 0 }
    }

    pub(super) fn is_on(&self) -> bool {
        is_within(self.failed_at, self.window)
    }

    /// Returns whether a lookup may try the source. If it returns true, it is false for a second.
    pub(super) fn may_probe(&mut self) -> bool {
        let may_probe = !is_within(self.probed_at, PROBE);
        if may_probe {
            self.probed_at = Some(Instant::now());
        }
        may_probe
    }

    /// A lookup has failed, or is slow.
    pub(super) fn failed(&mut self, error: Option<Arc<str>>) {
        self.failed_at = Some(Instant::now());
        self.error = error.or(self.error.take());
    }

    /// A lookup has succeeded in time.
    pub(super) fn succeeded(&mut self) {
        self.failed_at = None;
        self.error = None;
        if self.used > 0 {
            telemetry::lookups_recovered(self.used);
            self.used = 0;
        }
    }

    /// A delivery uses the last known result.
    pub(super) fn used_last(&mut self) {
        if self.used == 0 {
            if is_within(self.logged_at, LOG) {
                return;
            }
            telemetry::last_results_used(self.error.as_deref());
            self.logged_at = Some(Instant::now());
        }
        self.used = self.used.saturating_add(1);
    }
}

fn is_within(time: Option<Instant>, period: Duration) -> bool {
    time.is_some_and(|time| time.elapsed() < period)
}
