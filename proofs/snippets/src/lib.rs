//! The Rust code blocks of the README and of the guide, as doc tests.
//!
//! ```sh
//! cargo test -p agentmail-snippets
//! ```
#![forbid(unsafe_code)]

#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;

    #[doc = include_str!("../../../docs/adapter.md")]
    struct Adapter;

    #[doc = include_str!("../../../docs/after-an-outage.md")]
    struct AfterAnOutage;

    #[doc = include_str!("../../../docs/architecture.md")]
    struct Architecture;

    #[doc = include_str!("../../../docs/dedupe.md")]
    struct Dedupe;

    #[doc = include_str!("../../../docs/deploy.md")]
    struct Deploy;

    #[doc = include_str!("../../../docs/frameworks.md")]
    struct Frameworks;

    #[doc = include_str!("../../../docs/inbox.md")]
    struct Inbox;

    #[doc = include_str!("../../../docs/lookup.md")]
    struct Lookup;

    #[doc = include_str!("../../../docs/metrics.md")]
    struct Metrics;

    #[doc = include_str!("../../../docs/rotate.md")]
    struct Rotate;

    #[doc = include_str!("../../../docs/testing.md")]
    struct Testing;

    #[doc = include_str!("../../../docs/troubleshooting.md")]
    struct Troubleshooting;
}
