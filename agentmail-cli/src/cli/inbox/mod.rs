//! `inbox`: what an operator does with an inbox, also while the receiver runs.

mod args;
mod command;
mod masked;
mod row;

pub(super) use args::InboxArgs;
pub(super) use command::run;
