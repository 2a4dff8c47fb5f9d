//! Takes messages out of an inbox, and works on them.

mod attempt;
mod finisher;
mod shared;
mod supervisor;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod worker;
mod workers;

pub use worker::Worker;
pub use workers::{Drained, Tried, Workers};
