use std::{error::Error, path::PathBuf, sync::Arc, thread, time::Duration};

use agentmail_axum::{Label, LabelError, Secret, Signer, UnixTime, Verifier};
use tokio::sync::watch;

/// The secret in a file, and the former ones that are still accepted.
///
/// The file is read at an interval instead of being watched. Kubernetes replaces a symbolic link
/// two folders away from it, and not every file system reports changes.
pub(crate) struct Rotation {
    file: PathBuf,
    /// How long a secret is accepted after it was replaced.
    overlap: Duration,
    current: Secret,
    /// The latest first.
    formers: Vec<(Secret, UnixTime)>,
    /// How many secrets have been loaded, the first one included.
    loaded: u64,
    fault: Option<String>,
    verifiers: watch::Sender<Arc<Verifier>>,
}

impl Rotation {
    /// Loads the first secret.
    pub(crate) fn new(file: PathBuf, overlap: Duration) -> Result<Self, Box<dyn Error>> {
        let current = Secret::from_file(&file)?.with_label(label(1)?);
        let verifiers = watch::Sender::new(Arc::new(Verifier::new(current.clone())));
        let (formers, loaded, fault) = (Vec::new(), 1, None);
        Ok(Self { file, overlap, current, formers, loaded, fault, verifiers })
    }

    /// Returns the receiver of each new verifier.
    pub(crate) fn verifiers(&self) -> watch::Receiver<Arc<Verifier>> {
        self.verifiers.subscribe()
    }

    /// Reads the file at an interval, until the process ends. It has a thread of its own, because
    /// reading a file may block.
    pub(crate) fn start(mut self, interval: Duration) {
        thread::spawn(move || {
            loop {
                thread::sleep(interval);
                self.reload();
            }
        });
    }

    /// Loads the secret in the file if it is new. A fault is logged once, and changes nothing.
    fn reload(&mut self) {
        let fault = match Secret::from_file(&self.file) {
            Ok(secret) if same(&secret, &self.current) => None,
            Ok(secret) => self.replace_current(secret).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(fault) = fault.as_ref().filter(|_| fault != self.fault) {
            tracing::error!(fault, in_use = %self.current.label(), "cannot load the secret");
        }
        self.fault = fault;
    }

    fn replace_current(&mut self, secret: Secret) -> Result<(), Box<dyn Error>> {
        let now = UnixTime::now();
        let end = now.saturating_add(self.overlap);
        let new = secret.with_label(label(self.loaded.saturating_add(1))?);
        let mut formers = vec![(self.current.clone(), end)];
        formers.extend(self.formers.iter().filter(|(_, end)| now <= *end).cloned());
        // A former secret that is in the file again is the current one only.
        formers.retain(|(former, _)| !same(former, &new));
        for (dropped, _) in formers.iter().skip(Verifier::MAX_SECRETS - 1) {
            tracing::warn!(secret = %dropped.label(), "dropped before its end: too many rotations");
        }
        formers.truncate(Verifier::MAX_SECRETS - 1);

        let verifier = formers
            .iter()
            .cloned()
            .try_fold(Verifier::new(new.clone()), |verifier, (former, end)| {
                verifier.with_secret_until(former, end)
            })?;
        self.verifiers.send_replace(Arc::new(verifier));
        tracing::info!(
            new = %new.label(),
            former = %self.current.label(),
            former_until = %end,
            "loaded a new secret"
        );
        (self.current, self.formers) = (new, formers);
        self.loaded = self.loaded.saturating_add(1);
        Ok(())
    }
}

/// Names a secret by its number in this process and the time at which it was loaded. The name has
/// no part of the secret.
fn label(number: u64) -> Result<Label, LabelError> {
    Label::new(&format!("#{number} since {}", UnixTime::now()))
}

/// Secrets cannot be compared, but two that make the same signature are the same.
fn same(one: &Secret, other: &Secret) -> bool {
    let [one, other] = [one, other]
        .map(|secret| Signer::new(secret.clone()).sign(UnixTime::from_secs(0), b"rotate"));
    one.signature() == other.signature()
}
