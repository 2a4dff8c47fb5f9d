use std::sync::OnceLock;

use agentmail_verify::Label;
use metrics::{Counter, counter};

/// How many labels of secrets have a series of their own.
const LABELS: usize = 32;

/// Counts accepted deliveries by the operator's label of their secret.
///
/// Each rotation may bring a new label, so there is a limit: the labels after the first ones are
/// `other`. The label of a secret that was looked up may name a tenant, so it is never used.
pub(super) struct BySecret {
    name: &'static str,
    series: [OnceLock<(Label, Counter)>; LABELS],
    other: OnceLock<Counter>,
    looked_up: OnceLock<Counter>,
}

impl BySecret {
    pub(super) fn new(name: &'static str) -> Self {
        let series = [const { OnceLock::new() }; LABELS];
        Self { name, series, other: OnceLock::new(), looked_up: OnceLock::new() }
    }

    pub(super) fn count(&self, label: Label, looked_up: bool) {
        self.counter(label, looked_up).increment(1);
    }

    fn counter(&self, label: Label, looked_up: bool) -> &Counter {
        if looked_up {
            return self.looked_up.get_or_init(|| counter!(self.name, "secret" => "looked_up"));
        }
        for series in &self.series {
            let (taken_by, counter) = series.get_or_init(|| {
                (label, counter!(self.name, "secret" => label.as_str().to_owned()))
            });
            if *taken_by == label {
                return counter;
            }
        }
        self.other.get_or_init(|| counter!(self.name, "secret" => "other"))
    }
}
