//! HTTP around the API: connections, who may call, and what a request may cost.

mod caller;
mod guard;
mod problem;
mod request;
mod serve;

pub(crate) use caller::{AgentCaller, Operator, Scope};
pub(crate) use guard::{Allowed, guard};
pub(crate) use request::{Json, Query, read_body};
pub(crate) use serve::serve;
