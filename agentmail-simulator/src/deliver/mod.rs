//! From a pending delivery to the endpoint, with the faults that were asked for.

mod attempt;
mod body;
mod client;
mod content;
mod dispatcher;
mod prepare;
mod recode;

pub(crate) use content::Content;
pub(crate) use dispatcher::dispatch;
#[cfg(test)]
pub(crate) use prepare::prepared;
