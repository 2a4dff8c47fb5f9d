//! Mail by SMTP (RFC 5321), on the loopback interface.

mod command;
mod data;
mod lines;
mod reply;
mod serve;
mod session;

pub(crate) use serve::serve;
