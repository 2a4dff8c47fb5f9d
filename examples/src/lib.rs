//! What the examples share: the environment they read, and a sender to try them with.
#![forbid(unsafe_code)]

mod environment;
mod event;
mod sender;

pub use environment::{exit_code, listener, shutdown_requested, start_logging, webhook_config};
pub use event::note;
pub use sender::{Answer, Flaw, SAMPLE, Sender};

/// The snippets of the README and of the guide, as tests.
#[cfg(doctest)]
mod snippets {
    #[doc = include_str!("../../README.md")]
    struct Readme;

    #[doc = include_str!("../../docs/after-an-outage.md")]
    struct AfterAnOutage;

    #[doc = include_str!("../../docs/deploy.md")]
    struct Deploy;

    #[doc = include_str!("../../docs/once-only.md")]
    struct OnceOnly;

    #[doc = include_str!("../../docs/rotate.md")]
    struct Rotate;

    #[doc = include_str!("../../docs/troubleshooting.md")]
    struct Troubleshooting;
}
