use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{budget::DiagnosisBudget, secret_text::SecretText, secrets::DiagnosisSecrets};

/// Settings of [`WebhookConfig::with_diagnosis`](crate::WebhookConfig::with_diagnosis).
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_secret_text`](Self::with_secret_text) | none |
/// | [`with_other_secret_text`](Self::with_other_secret_text) | none |
/// | [`with_budget`](Self::with_budget) | 4 MiB |
#[derive(Debug, Clone)]
#[must_use]
pub struct DiagnosisConfig {
    secrets: DiagnosisSecrets,
    budget: DiagnosisBudget,
}

impl DiagnosisConfig {
    /// Creates the settings with their defaults.
    pub fn new() -> Self {
        Self { secrets: DiagnosisSecrets::new(), budget: DiagnosisBudget::DEVELOPMENT }
    }

    /// Keeps the text of a secret that the receiver accepts, with the label that the secret has in
    /// the verifier. It is wiped when the configuration is dropped.
    ///
    /// With it, a diagnosis finds mistakes in the secret, such as quotes, and in the signed text.
    pub fn with_secret_text(self, text: SecretText) -> Self {
        Self { secrets: self.secrets.with_text(text), ..self }
    }

    /// Keeps the text of a secret that the receiver does not accept, for example the secret of
    /// another environment. A diagnosis says if the signature was made with it.
    pub fn with_other_secret_text(self, text: SecretText) -> Self {
        Self { secrets: self.secrets.with_other_text(text), ..self }
    }

    /// Sets how many bytes the diagnosis of one delivery may hash.
    pub fn with_budget(self, budget: DiagnosisBudget) -> Self {
        Self { budget, ..self }
    }
}

impl Default for DiagnosisConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// The settings, and how many diagnoses have run.
#[derive(Debug)]
pub(crate) struct Switch {
    config: DiagnosisConfig,
    minute: Mutex<Option<(Instant, u32)>>,
    is_running: AtomicBool,
}

impl Switch {
    /// Anyone can cause refusals.
    const PER_MINUTE: u32 = 20;

    pub(crate) fn new(config: DiagnosisConfig) -> Self {
        Self { config, minute: Mutex::new(None), is_running: AtomicBool::new(false) }
    }

    pub(super) fn secrets(&self) -> DiagnosisSecrets {
        self.config.secrets.clone()
    }

    pub(super) fn budget(&self) -> DiagnosisBudget {
        self.config.budget
    }

    /// Lets one diagnosis run, unless another one runs or there were too many in this minute.
    pub(super) fn start(self: &Arc<Self>) -> Option<Running> {
        if self.is_running.swap(true, Ordering::AcqRel) {
            return None;
        }
        let running = Running(Arc::clone(self));
        let mut minute = self.minute.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (start, count) = minute
            .filter(|(start, _)| now.duration_since(*start) < Duration::from_secs(60))
            .unwrap_or((now, 0));
        *minute = Some((start, count.saturating_add(1)));
        (count < Self::PER_MINUTE).then_some(running)
    }
}

/// A diagnosis that runs. Dropping it lets the next one run.
#[derive(Debug)]
pub(super) struct Running(Arc<Switch>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_diagnosis_runs_at_a_time_and_twenty_in_a_minute() {
        let switch = Arc::new(Switch::new(DiagnosisConfig::new()));

        let first = switch.start();
        assert!(first.is_some());
        assert!(switch.start().is_none(), "the first one still runs");
        drop(first);
        assert_eq!((0..30).filter(|_| switch.start().is_some()).count(), 19);

        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(switch.start().is_some());
    }
}
