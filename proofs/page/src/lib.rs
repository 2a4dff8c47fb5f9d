//! A person who uses the simulator's page in a browser: with a mouse, or with a keyboard.
//!
//! `scripts/test page` runs `tests/page.rs`, and `scripts/accessibility` runs
//! `tests/accessibility.rs`. Both need Debian's chromium and its driver.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a failed test panics")]

mod browser;
mod proxy;
mod world;

pub use browser::{Browser, Hand, Look};
pub use proxy::Proxy;
pub use world::{Receiver, World};
