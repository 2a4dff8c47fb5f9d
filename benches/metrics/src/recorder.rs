use std::sync::Arc;

use agentmail_receive::metrics::{BUCKETS, register};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

pub(crate) fn install(recorder: &str) {
    match recorder {
        "absent" => return,
        "noop" => {
            let installed = metrics::set_global_recorder(Noop { _field: 0 });
            installed.unwrap_or_else(|_| panic!("it is the first one"));
        }
        "exporter" => {
            let mut builder = PrometheusBuilder::new();
            for (name, bounds) in BUCKETS {
                let matcher = Matcher::Full((*name).to_owned());
                builder = builder.set_buckets_for_metric(matcher, bounds).unwrap();
            }
            let handle = builder.install_recorder().unwrap();
            // As a scrape does: otherwise the samples of the histograms pile up.
            std::thread::spawn(move || {
                loop {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                    handle.run_upkeep();
                }
            });
        }
        other => panic!("there is no recorder {other}"),
    }
    register();
}

/// A recorder that does nothing, whose handles are called like those of any other.
struct Noop {
    /// A recorder without fields is not recognized as one.
    _field: u8,
}

struct Nothing;

impl CounterFn for Nothing {
    fn increment(&self, _: u64) {}

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Nothing {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, _: f64) {}
}

impl HistogramFn for Nothing {
    fn record(&self, _: f64) {}
}

impl Recorder for Noop {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::new(Nothing))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(Nothing))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Nothing))
    }
}
