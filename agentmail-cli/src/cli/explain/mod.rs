//! `explain`: says whether a captured request verifies, and why not.

mod ansi_c;
mod chunked;
mod command;
mod curl;
mod format;
mod har;
mod raw;
mod request;
mod verdict;

pub(super) use command::run;
pub(super) use request::ParsedRequest;
pub(super) use verdict::Verdict;
