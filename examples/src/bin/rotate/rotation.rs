use std::{error::Error, path::PathBuf, sync::Arc, thread, time::Duration};

use agentmail_axum::{Clock, Secret, Signer, SystemClock, UnixTime, Verifier};
use tokio::sync::watch;

/// The secret in a file, and those that stood there before and have not ended.
///
/// The file is read again and again, rather than watched for changes: Kubernetes swaps a symbolic link
/// two folders away from it, and not every file system tells.
pub(crate) struct Rotation {
    file: PathBuf,
    overlap: Duration,
    current: Secret,
    /// The latest first.
    formers: Vec<(Secret, UnixTime)>,
    /// How many secrets have been taken over, the first included.
    taken: u64,
    fault: Option<String>,
    verifiers: watch::Sender<Arc<Verifier>>,
}

impl Rotation {
    /// Takes the first secret; without one there is no receiver.
    pub(crate) fn start(file: PathBuf, overlap: Duration) -> Result<Self, Box<dyn Error>> {
        let current = Secret::from_file(&file)?.with_label(&label(1))?;
        let verifiers = watch::Sender::new(Arc::new(Verifier::new(current.clone())));
        let (formers, taken, fault) = (Vec::new(), 1, None);
        Ok(Self { file, overlap, current, formers, taken, fault, verifiers })
    }

    /// Returns where each new verifier is to be had.
    pub(crate) fn verifiers(&self) -> watch::Receiver<Arc<Verifier>> {
        self.verifiers.subscribe()
    }

    /// Looks at the file every so often, to the end of the process. On a thread of its own: reading a
    /// file may block.
    pub(crate) fn keep_looking(mut self, every: Duration) {
        thread::spawn(move || {
            loop {
                thread::sleep(every);
                self.look();
            }
        });
    }

    /// Takes over what stands in the file. What cannot be a secret is logged, once, and changes
    /// nothing.
    fn look(&mut self) {
        let fault = match Secret::from_file(&self.file) {
            Ok(secret) if same(&secret, &self.current) => None,
            Ok(secret) => self.take_over(secret).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(fault) = fault.as_ref().filter(|_| fault != self.fault) {
            tracing::error!(fault, in_use = %self.current.label(), "no new secret was taken over");
        }
        self.fault = fault;
    }

    fn take_over(&mut self, secret: Secret) -> Result<(), Box<dyn Error>> {
        let now = SystemClock.now();
        let end = UnixTime::from_secs(now.as_secs().saturating_add(self.overlap.as_secs()));
        let new = secret.with_label(&label(self.taken.saturating_add(1)))?;
        let mut formers = vec![(self.current.clone(), end)];
        formers.extend(self.formers.iter().filter(|(_, end)| now <= *end).cloned());
        // A secret that has come back is the current one only.
        formers.retain(|(former, _)| !same(former, &new));
        for (dropped, _) in formers.iter().skip(Verifier::MAX_SECRETS - 1) {
            tracing::warn!(secret = %dropped.label(), "dropped before its end: too many rotations");
        }
        formers.truncate(Verifier::MAX_SECRETS - 1);

        let verifier = formers
            .iter()
            .cloned()
            .try_fold(Verifier::new(new.clone()), |verifier, (former, end)| {
                verifier.accept_until(former, end)
            })?;
        self.verifiers.send_replace(Arc::new(verifier));
        tracing::info!(
            new = %new.label(),
            former = %self.current.label(),
            former_until = end.as_secs(),
            "a new secret was taken over"
        );
        (self.current, self.formers) = (new, formers);
        self.taken = self.taken.saturating_add(1);
        Ok(())
    }
}

/// Names a secret by its place in this process's life and by when it was taken over. Nothing of the
/// secret stands in it.
fn label(number: u64) -> String {
    format!("#{number} since {}", SystemClock.now().as_secs())
}

/// Secrets cannot be compared, but what signs alike is the same.
fn same(one: &Secret, other: &Secret) -> bool {
    let [one, other] = [one, other]
        .map(|secret| Signer::new(secret.clone()).sign(UnixTime::from_secs(0), b"rotate"));
    one.signature() == other.signature()
}
