use std::{fmt, sync::Arc, time::Duration};

use agentmail_verify::{Clock, SystemClock, UnixTime, Verifier};
use tokio::sync::watch;

#[cfg(feature = "diagnose")]
use crate::{
    diagnosis::{DiagnosisConfig, Switch},
    telemetry,
};
use crate::{
    observer::{Observer, Observers},
    refusal::Refusal,
    response::{RefusalResponse, RefusalStyle},
    source::{Lookup, SecretFile, Source, Tenant},
};

/// Settings for receiving deliveries: where secrets come from, and the limits on body size and
/// time.
///
/// A clone is cheap: it increments one reference count. A [`Verifier`] converts into a
/// configuration with the defaults.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_body_limit`](Self::with_body_limit) | 262,144 bytes (256 KiB) |
/// | [`with_body_timeout`](Self::with_body_timeout) | 10 seconds |
/// | [`with_lookup_timeout`](Self::with_lookup_timeout) | 5 seconds |
/// | [`with_clock`](Self::with_clock) | the system's clock |
/// | [`with_problem_details`](Self::with_problem_details) | off: the body of a refusal is empty |
#[cfg_attr(feature = "diagnose", doc = "| [`with_diagnosis`](Self::with_diagnosis) | off |")]
/// | [`with_refusal_response`](Self::with_refusal_response) | none |
/// | [`with_observer`](Self::with_observer) | none |
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
    lookup_timeout: Duration,
    clock: SharedClock,
    style: Arc<RefusalStyle>,
    #[cfg(feature = "diagnose")]
    diagnosis: Option<Arc<Switch>>,
}

impl WebhookConfig {
    /// Creates a configuration from a [`Verifier`], or from another type that converts into a
    /// [`Source`].
    pub fn new(source: impl Into<Source>) -> Self {
        Self {
            settings: Arc::new(Settings {
                source: source.into(),
                body_limit: 256 * 1024,
                body_timeout: Duration::from_secs(10),
                lookup_timeout: Duration::from_secs(5),
                clock: SharedClock(Arc::new(SystemClock)),
                style: Arc::default(),
                #[cfg(feature = "diagnose")]
                diagnosis: None,
            }),
        }
    }

    /// Sets the longest body that is accepted, in bytes.
    ///
    /// The limit applies to the declared `Content-Length`, before the body is read, and to the
    /// bytes that arrive. A limit of the framework, such as axum's `DefaultBodyLimit`, has no
    /// effect.
    pub fn with_body_limit(self, bytes: usize) -> Self {
        self.set(|settings| settings.body_limit = bytes)
    }

    /// Sets how long a body may take to arrive completely.
    pub fn with_body_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.body_timeout = timeout)
    }

    /// Sets how long a [`Lookup`] may take. After that, the delivery is refused (503).
    pub fn with_lookup_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.lookup_timeout = timeout)
    }

    /// Sets the clock that decides whether a delivery is fresh.
    pub fn with_clock(self, clock: impl Clock + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.clock = SharedClock(Arc::new(clock)))
    }

    /// Puts the reason for a refusal into the body of the response, as `application/problem+json`
    /// (RFC 9457).
    ///
    /// Use it only during development, because the response tells an attacker which check has
    /// failed. If it is off, all refusals with the same status have the same response.
    pub fn with_problem_details(self, enabled: bool) -> Self {
        self.set_style(|style| style.problem_details = enabled)
    }

    /// Looks for the cause of each delivery that is refused with 403, and puts it into the log and
    /// into the response. It also turns [`with_problem_details`](Self::with_problem_details) on.
    ///
    /// Use it only during development: the response helps an attacker as it helps you. This
    /// function logs a warning. The decision about a delivery does not change.
    ///
    /// - The diagnosis runs on a thread for blocking work. The response waits for it.
    /// - At most 20 deliveries in a minute are diagnosed, one at a time. The others get the
    ///   response that they would get without this setting.
    /// - If the delivery is refused before its body is read, only its headers are looked at.
    /// - Without the text of a secret ([`DiagnosisConfig::with_secret_text`]), only changes of the
    ///   body can be proven.
    ///
    /// ```
    /// use agentmail_receive::{DiagnosisConfig, SecretText, WebhookConfig};
    /// use agentmail_verify::Verifier;
    ///
    /// # let text = || -> Result<_, agentmail_receive::diagnosis::SecretTextError> {
    /// # if false {
    /// let text = SecretText::from_env("WEBHOOK_SIGNING_SECRET")?;
    /// # return Ok(text);
    /// # }
    /// # Ok(SecretText::new("whsec_test_secret")) };
    /// # let text = text()?;
    /// let config = WebhookConfig::new(Verifier::new(text.secret()?));
    /// let config = match cfg!(debug_assertions) {
    ///     true => config.with_diagnosis(DiagnosisConfig::new().with_secret_text(text)),
    ///     false => config,
    /// };
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "diagnose")]
    pub fn with_diagnosis(self, diagnosis: DiagnosisConfig) -> Self {
        telemetry::diagnosis_is_on();
        self.with_problem_details(true)
            .set(|settings| settings.diagnosis = Some(Arc::new(Switch::new(diagnosis))))
    }

    /// Sets a hook that shapes the response to each refusal.
    ///
    /// The hook gets the refusal, and the response that the library would send. It returns the
    /// response that is sent. It applies to the layer and to the extractors.
    ///
    /// The hook may run twice for one refusal: once for the response, and once for the log line,
    /// which shows the status that the hook has set.
    ///
    /// The hook does not run in these cases:
    ///
    /// - The message was already handled. The response is 200.
    /// - The route has no layer, or the app has no configuration. Then there is no hook either.
    pub fn with_refusal_response(
        self,
        hook: impl Fn(&Refusal, RefusalResponse) -> RefusalResponse + Send + Sync + 'static,
    ) -> Self {
        self.set_style(|style| style.hook = Some(Arc::new(hook)))
    }

    /// Sets an [`Observer`], which gets each outcome.
    pub fn with_observer(self, observer: Arc<dyn Observer>) -> Self {
        self.set_style(|style| style.observers = Observers::new(observer))
    }

    /// Returns the longest body that is accepted, in bytes.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.settings.body_limit
    }

    /// Returns how long a body may take to arrive completely.
    #[must_use]
    pub fn body_timeout(&self) -> Duration {
        self.settings.body_timeout
    }

    /// Returns how long a [`Lookup`] may take.
    #[must_use]
    pub fn lookup_timeout(&self) -> Duration {
        self.settings.lookup_timeout
    }

    /// Returns whether the body of a refusal names the reason.
    #[must_use]
    pub fn problem_details(&self) -> bool {
        self.settings.style.problem_details
    }

    pub(crate) fn source(&self) -> &Source {
        &self.settings.source
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.settings.clock.0.now()
    }

    #[cfg(feature = "diagnose")]
    pub(crate) fn diagnosis(&self) -> Option<&Arc<Switch>> {
        self.settings.diagnosis.as_ref()
    }

    pub(crate) fn style(&self) -> &Arc<RefusalStyle> {
        &self.settings.style
    }

    pub(crate) fn observers(&self) -> &Observers {
        &self.settings.style.observers
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    fn set_style(self, change: impl FnOnce(&mut RefusalStyle)) -> Self {
        self.set(|settings| change(Arc::make_mut(&mut settings.style)))
    }
}

impl From<Source> for WebhookConfig {
    fn from(source: Source) -> Self {
        Self::new(source)
    }
}

impl From<Verifier> for WebhookConfig {
    fn from(verifier: Verifier) -> Self {
        Self::new(verifier)
    }
}

impl From<Arc<Verifier>> for WebhookConfig {
    fn from(verifier: Arc<Verifier>) -> Self {
        Self::new(verifier)
    }
}

impl From<Tenant> for WebhookConfig {
    fn from(tenant: Tenant) -> Self {
        Self::new(tenant)
    }
}

impl From<SecretFile> for WebhookConfig {
    fn from(file: SecretFile) -> Self {
        Self::new(file)
    }
}

impl From<watch::Receiver<Arc<Verifier>>> for WebhookConfig {
    fn from(verifiers: watch::Receiver<Arc<Verifier>>) -> Self {
        Self::new(verifiers)
    }
}

impl<K: 'static> From<Lookup<K>> for WebhookConfig {
    fn from(lookup: Lookup<K>) -> Self {
        Self::new(lookup)
    }
}

#[derive(Clone)]
struct SharedClock(Arc<dyn Clock + Send + Sync>);

impl fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
