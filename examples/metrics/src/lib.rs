//! What the receivers of this example share: traces for OpenTelemetry, and faults to provoke alerts
//! with. The guide of the repository, `docs/metrics.md`, explains both receivers.
#![forbid(unsafe_code)]

pub mod faults;
pub mod traces;
