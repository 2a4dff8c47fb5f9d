#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

#[cfg(feature = "cli")]
mod cli;
mod sender;

#[cfg(feature = "cli")]
pub use cli::main;
pub use sender::{Fault, Response, SAMPLE, SendError, SendErrorKind, Sender};
