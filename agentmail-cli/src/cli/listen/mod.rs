//! `listen`: receives deliveries on this machine, verifies them, and keeps or forwards them.

mod command;
mod delivery;
mod forward;
mod receiver;
mod server;

pub(super) use command::run;
