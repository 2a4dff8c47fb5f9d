#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![expect(clippy::missing_panics_doc, reason = "a failed check panics, as in a test")]
#![expect(clippy::unwrap_used, reason = "a failed check panics, as in a test")]

mod drive;
mod faults;
mod receiver;

pub use drive::{drive, drive_with, quick_retries, start};
pub use faults::try_faults;
pub use receiver::{Program, Receiver};
