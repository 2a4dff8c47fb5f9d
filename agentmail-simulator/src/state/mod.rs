//! Everything that the simulator knows, in memory. The service locks it for each call.

mod attempts;
mod events;
mod intake;
mod lane;
mod plan;
#[cfg(feature = "data")]
mod restore;
mod retention;
mod schedule;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod state;

pub(crate) use attempts::Finished;
pub(crate) use intake::Arrived;
pub(crate) use lane::Lane;
pub(crate) use plan::{Plan, Sent};
pub(crate) use state::{State, Stored};
