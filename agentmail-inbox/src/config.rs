use std::{sync::Arc, time::Duration};

use crate::observer::{Observer, Observers};

/// Settings for an [`Inbox`](crate::Inbox): what observes it.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_observer`](Self::with_observer) | none |
/// | [`with_sample_interval`](Self::with_sample_interval) | 15 seconds |
#[derive(Debug, Clone)]
#[must_use]
pub struct InboxConfig {
    observers: Observers,
    sample_interval: Duration,
}

impl InboxConfig {
    /// Sets an [`Observer`], which gets each outcome.
    pub fn with_observer(self, observer: Arc<dyn Observer>) -> Self {
        Self { observers: Observers::new(observer), ..self }
    }

    /// Sets how often the inbox is sampled for its observer and for its metrics, at least 100
    /// milliseconds.
    ///
    /// Each sample looks for the oldest message that is due. Every fourth one also counts the
    /// messages, which reads an index of all of them.
    pub fn with_sample_interval(self, interval: Duration) -> Self {
        Self { sample_interval: interval.max(Duration::from_millis(100)), ..self }
    }

    /// Returns how often the inbox is sampled.
    #[must_use]
    pub const fn sample_interval(&self) -> Duration {
        self.sample_interval
    }

    pub(crate) const fn observers(&self) -> &Observers {
        &self.observers
    }
}

impl Default for InboxConfig {
    fn default() -> Self {
        Self { observers: Observers::default(), sample_interval: Duration::from_secs(15) }
    }
}
