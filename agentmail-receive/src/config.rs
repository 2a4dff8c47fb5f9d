use std::{fmt, sync::Arc, time::Duration};

use agentmail_verify::{Clock, Header, SystemClock, UnixTime};

use crate::{Receive, RequestHead, Source};

/// How deliveries are received: whose signature counts, and how much a sender may cost.
///
/// A clone is one reference count, as axum's `FromRef` makes one per request. A bare
/// [`Verifier`](agentmail_verify::Verifier) converts into a configuration.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`body_limit`](Self::body_limit) | 262,144 bytes (256 KiB) |
/// | [`body_timeout`](Self::body_timeout) | 10 seconds |
/// | [`source_timeout`](Self::source_timeout) | 5 seconds |
/// | [`clock`](Self::clock) | the system's clock |
/// | [`explain_refusals`](Self::explain_refusals) | off |
#[derive(Debug, Clone)]
#[must_use]
pub struct WebhookConfig {
    settings: Arc<Settings>,
}

#[derive(Debug, Clone)]
struct Settings {
    source: Source,
    body_limit: usize,
    body_timeout: Duration,
    source_timeout: Duration,
    clock: SharedClock,
    explain_refusals: bool,
}

impl WebhookConfig {
    /// Takes the verifier, or another [`Source`] of it.
    pub fn new(source: impl Into<Source>) -> Self {
        Self {
            settings: Arc::new(Settings {
                source: source.into(),
                body_limit: 256 * 1024,
                body_timeout: Duration::from_secs(10),
                source_timeout: Duration::from_secs(5),
                clock: SharedClock(Arc::new(SystemClock)),
                explain_refusals: false,
            }),
        }
    }

    /// Sets the longest body that is accepted, in bytes.
    ///
    /// It holds for a declared `Content-Length` before anything is read, and for what arrives. A
    /// framework's own limit, such as axum's `DefaultBodyLimit`, plays no part.
    pub fn body_limit(self, bytes: usize) -> Self {
        self.set(|settings| settings.body_limit = bytes)
    }

    /// Sets how long a body may take to arrive in full.
    pub fn body_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.body_timeout = timeout)
    }

    /// Sets how long a [`Lookup`](crate::Lookup) may take to answer: then the delivery is refused (503).
    pub fn source_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.source_timeout = timeout)
    }

    /// Sets the clock that freshness is judged by.
    pub fn clock(self, clock: impl Clock + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.clock = SharedClock(Arc::new(clock)))
    }

    /// Puts the reason for a refusal into the answer's body, as `application/problem+json`
    /// (RFC 9457).
    ///
    /// For development: it tells an attacker which check has failed. Without it, every refusal of
    /// one status looks the same outside. (A wrong set-up is never explained there.)
    pub fn explain_refusals(self, explain: bool) -> Self {
        self.set(|settings| settings.explain_refusals = explain)
    }

    /// Receives one delivery. This is the whole order of checks, the same in every adapter:
    ///
    /// both headers -> source of the verifier, under its timeout -> freshness -> declared length -> body,
    /// under limit and timeout -> MAC -> the tenant's agent.
    ///
    /// `head` is what a [`Lookup`](crate::Lookup) is shown, `lines` returns the value of every line of a header, `declared_length` is the length that the
    /// request promises in bytes, and `body` is a stream of its pieces. What the headers alone
    /// decide is decided before the body is polled, and here where nothing has to be looked up.
    ///
    /// The future needs a tokio runtime with its timer enabled.
    pub fn receive<'a, L, B>(
        &self,
        head: RequestHead<'_>,
        lines: impl Fn(Header) -> L,
        declared_length: Option<u64>,
        body: B,
    ) -> Receive<B>
    where
        L: IntoIterator<Item = &'a [u8]>,
    {
        Receive::new(self, &head, lines, declared_length, body)
    }

    pub(crate) fn source(&self) -> &Source {
        &self.settings.source
    }

    pub(crate) fn source_wait(&self) -> Duration {
        self.settings.source_timeout
    }

    pub(crate) fn limit(&self) -> usize {
        self.settings.body_limit
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.settings.body_timeout
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.settings.clock.0.now()
    }

    pub(crate) fn explains_refusals(&self) -> bool {
        self.settings.explain_refusals
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S: Into<Source>> From<S> for WebhookConfig {
    fn from(source: S) -> Self {
        Self::new(source)
    }
}

#[derive(Clone)]
struct SharedClock(Arc<dyn Clock + Send + Sync>);

impl fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
