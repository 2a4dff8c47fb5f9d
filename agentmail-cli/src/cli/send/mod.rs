//! `send`: signs a delivery, sends it, and prints the response.

mod command;
mod payload;
mod printed;
mod report;

pub(super) use command::{run, sender, trust};
