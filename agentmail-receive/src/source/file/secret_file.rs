use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use agentmail_verify::{Secret, SecretFileError, Tolerance, UnixTime};

use super::{
    reader::{Reader, Reloaded},
    rotation::Rotation,
};

/// A signing secret in a file that is loaded again when it changes: a [`Source`](crate::Source).
///
/// The file is read as by [`Secret::from_file`]. A rotation needs no restart:
///
/// ```no_run
/// # use agentmail_receive::{SecretFile, WebhookConfig};
/// let config = WebhookConfig::new(SecretFile::new("/run/secrets/agentmail/signing-secret")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # A new secret
///
/// When the file contains another secret, the new secret is accepted, and so is the former one. The
/// former secret is accepted until a newer secret has verified a delivery, and then for the
/// [overlap](Self::with_overlap). Therefore a wrong secret in the file does not end the acceptance
/// of the secret in use.
///
/// At most four secrets are accepted at once. If there are more:
///
/// - A secret that has verified no delivery is dropped, the oldest first.
/// - A secret that has verified a delivery is dropped when three newer secrets have verified one
///   too.
///
/// If the file contains a former secret again, that secret becomes the current one. The secret that
/// it replaces becomes a former one. To drop a leaked secret at once, restart the process: after
/// the start, it accepts only the secret in the file.
///
/// # A bad file
///
/// If the file is missing or does not contain a valid secret, the secrets in use are still
/// accepted. The cause is logged once, as an error.
///
/// # Labels
///
/// Each secret has a label for the log: its number, and the time in Unix seconds at which it was
/// loaded. An example is `#2 since 1764086400`.
///
/// # Thread
///
/// The conversion of a `SecretFile` into a [`Source`](crate::Source) starts a thread, which reads
/// the file. The thread ends when the source and all its clones are dropped. The conversion panics
/// if the system cannot start a thread.
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_interval`](Self::with_interval) | 1 second |
/// | [`with_overlap`](Self::with_overlap) | how long a delivery can be fresh: 600 seconds with the default tolerance |
/// | [`with_tolerance`](Self::with_tolerance) | 300 seconds on both sides |
#[derive(Debug)]
#[must_use]
pub struct SecretFile {
    path: PathBuf,
    first: Secret,
    interval: Duration,
    overlap: Option<Duration>,
    tolerance: Tolerance,
}

impl SecretFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    ///
    /// Fails in the same cases as [`Secret::from_file`].
    pub fn new(path: impl AsRef<Path>) -> Result<Self, SecretFileError> {
        let (path, first) = (path.as_ref().to_path_buf(), Secret::from_file(path)?);
        let (interval, tolerance) = (Duration::from_secs(1), Tolerance::default());
        Ok(Self { path, first, interval, overlap: None, tolerance })
    }

    /// Sets how often the file is read, at most once per millisecond.
    pub fn with_interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Sets how long a former secret is accepted after a newer one has verified a delivery.
    ///
    /// The system's clock decides, in whole seconds.
    pub fn with_overlap(self, overlap: Duration) -> Self {
        Self { overlap: Some(overlap), ..self }
    }

    /// Sets how old a delivery may be, and how far ahead of the receiver's clock.
    pub fn with_tolerance(self, tolerance: Tolerance) -> Self {
        Self { tolerance, ..self }
    }

    /// Returns how often the file is read.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Returns how long a former secret is accepted after a newer one has verified a delivery.
    #[must_use]
    pub fn overlap(&self) -> Duration {
        let tolerance = self.tolerance;
        self.overlap.unwrap_or(tolerance.max_age().saturating_add(tolerance.max_ahead()))
    }

    pub(crate) fn start(self) -> Reloaded {
        let interval = self.interval.max(Duration::from_millis(1));
        let overlap = self.overlap();
        let rotation = Rotation::new(self.first, overlap, self.tolerance, UnixTime::now());
        Reader::new(self.path, rotation).start(interval).0
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;
    use crate::WebhookConfig;

    #[test]
    fn the_overlap_is_how_long_a_delivery_can_be_fresh_and_debug_shows_no_secret() {
        let path = env::temp_dir().join(format!("agentmail-settings-{}", process::id()));
        fs::write(&path, "hush\n").unwrap();
        let file = SecretFile::new(&path);
        fs::remove_file(&path).unwrap();
        let file = file.unwrap();

        assert_eq!((file.interval().as_secs(), file.overlap().as_secs()), (1, 600));
        let tolerance = Tolerance::default().with_max_age(Duration::from_secs(3_600)).unwrap();
        let file = file.with_tolerance(tolerance);
        assert_eq!(file.overlap().as_secs(), 3_900);
        let file = file.with_overlap(Duration::from_secs(7)).with_interval(Duration::MAX);
        assert_eq!((file.interval(), file.overlap().as_secs()), (Duration::MAX, 7));

        let shown = format!("{file:?}");
        assert!(shown.contains("agentmail-settings") && !shown.contains("hush"), "{shown}");
        let shown = format!("{:?}", WebhookConfig::new(file));
        assert!(shown.contains("#1 since ") && shown.contains("max_age: 3600s"), "{shown}");
        assert!(!shown.contains("hush"), "{shown}");
    }
}
