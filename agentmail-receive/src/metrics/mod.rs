//! Metrics, recorded with the crate [`metrics`](https://docs.rs/metrics) 0.24.
//!
//! With the feature `metrics`, each [`WebhookConfig`](crate::WebhookConfig) records its outcomes.
//! Install a recorder of the same version of that crate, with [`BUCKETS`], and then call
//! [`register`]. Nothing of a mail, a tenant or a path is a label.
//!
//! The guide of the repository, `docs/metrics.md`, has complete programs, a table of the metrics,
//! and rules for alerts.
//!
//! ```
//! use agentmail_receive::metrics;
//! use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
//!
//! fn install() -> Result<PrometheusHandle, BuildError> {
//!     let mut exporter = PrometheusBuilder::new();
//!     for (name, bounds) in metrics::BUCKETS {
//!         exporter = exporter.set_buckets_for_metric(Matcher::Full((*name).into()), bounds)?;
//!     }
//!     let handle = exporter.install_recorder()?;
//!     metrics::register();
//!     Ok(handle)
//! }
//! ```

mod buckets;
mod by_secret;
mod handles;

pub use buckets::BUCKETS;
pub(crate) use handles::Recorded;
pub use handles::register;
