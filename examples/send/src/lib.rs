//! A sender of deliveries, genuine and flawed ones, to try a receiver with.
#![forbid(unsafe_code)]

mod sender;

pub use sender::{Flaw, Response, SAMPLE, Sender};
