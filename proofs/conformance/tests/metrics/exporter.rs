use std::{collections::BTreeSet, time::Duration};

use agentmail_receive::metrics::BUCKETS;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// The recorder of the process, which renders for Prometheus.
pub(crate) struct Exporter(PrometheusHandle);

impl Exporter {
    pub(crate) fn install() -> Self {
        let mut builder = PrometheusBuilder::new();
        for (name, bounds) in BUCKETS {
            let matcher = Matcher::Full((*name).to_owned());
            builder = builder.set_buckets_for_metric(matcher, bounds).unwrap();
        }
        Self(builder.install_recorder().unwrap())
    }

    pub(crate) fn render(&self) -> String {
        self.0.render()
    }

    /// Returns each series: a name with its labels.
    pub(crate) fn series(&self) -> BTreeSet<String> {
        let text = self.render();
        let series = text.lines().filter(|line| !line.starts_with('#'));
        series.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    }

    /// Returns the value of a series, which exists.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let text = self.render();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.and_then(|value| value.parse().ok());
        value.unwrap_or_else(|| panic!("there is no series {series} in {text}"))
    }

    /// Waits until a series has the value.
    pub(crate) async fn wait_for(&self, series: &str, expected: f64) {
        let wait = async {
            while self.value(series) != expected {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
        assert!(waited.is_ok(), "{series} is {}, not {expected}", self.value(series));
    }
}
