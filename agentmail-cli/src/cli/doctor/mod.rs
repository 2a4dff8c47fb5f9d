//! `doctor`: checks a receiver, or a secret.

mod basics;
mod check;
mod clock;
mod command;
mod deliver;
mod network;
mod oversized;
mod secret;

pub(super) use command::run;
