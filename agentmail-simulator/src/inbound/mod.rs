//! From a mail to the payload of its webhook.

mod compose;
mod flags;
mod parse;
mod payload;
mod subject;
mod text;
mod utf7;

pub(crate) use compose::{InboundMail, compose, is_address};
pub(crate) use flags::Flags;
pub(crate) use parse::{Parsed, parse};
pub(crate) use payload::Payload;
