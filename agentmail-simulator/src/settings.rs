use std::time::Duration;

use crate::retry::Retry;

/// What holds for the whole run.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) retry: Retry,
    /// How many settled messages are kept, and how many with dead letters.
    pub(crate) max_messages: usize,
    pub(crate) max_age: Option<Duration>,
    /// How many deliveries may be pending before mails are refused.
    pub(crate) backlog: usize,
    pub(crate) loopback_only: bool,
}

impl Settings {
    /// How many attempts run at once.
    pub(crate) const AT_ONCE: usize = 256;
    /// How many attempts run at once for one webhook of an agent.
    pub(crate) const AT_ONCE_PER_WEBHOOK: usize = 16;
    /// How many events are kept, for clients that reconnect.
    pub(crate) const EVENTS: usize = 10_000;
    /// How many agents there may be.
    pub(crate) const AGENTS: usize = 1_000;
    /// The longest raw message, in bytes.
    pub(crate) const MAIL_BYTES: usize = 26 * 1024 * 1024;
    /// The longest line of a raw message, in bytes. RFC 5322 allows 998.
    pub(crate) const LINE_BYTES: usize = 64 * 1024;
    /// The longest body of any other request, in bytes.
    pub(crate) const BODY_BYTES: usize = 1024 * 1024;
    /// How long the body of a request may take.
    pub(crate) const BODY_TIME: Duration = Duration::from_secs(30);
    /// How long the header of a request may take.
    pub(crate) const HEADER_TIME: Duration = Duration::from_secs(10);
    /// The longest header of a request, in bytes.
    pub(crate) const HEADER_BYTES: usize = 32 * 1024;
    /// How many connections are open at once.
    pub(crate) const CONNECTIONS: usize = 1_024;
    /// How many connections of SMTP are open at once. Each may hold a mail in memory.
    pub(crate) const SMTP_CONNECTIONS: usize = 20;
    /// How long a command of SMTP, or the content of a mail, may take.
    pub(crate) const SMTP_TIME: Duration = Duration::from_secs(60);
    /// The longest `wait`.
    pub(crate) const WAIT: Duration = Duration::from_secs(60);
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retry: Retry::new(),
            max_messages: 1_000,
            max_age: None,
            backlog: 100_000,
            loopback_only: false,
        }
    }
}
