use std::{
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use agentmail_verify::{Secret, UnixTime};
use tokio::sync::watch;

use super::rotation::Rotation;
use crate::{source::Tenant, telemetry};

/// What a file accepts now. The thread that reads the file ends when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Reloaded {
    tenants: watch::Receiver<Tenant>,
    _in_use: mpsc::Sender<()>,
}

impl Reloaded {
    pub(crate) fn tenant(&self) -> Tenant {
        // Cloned, so that the lock is released here.
        self.tenants.borrow().clone()
    }
}

impl fmt::Debug for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.tenant(), f)
    }
}

/// Reads the file at an interval instead of watching it: Kubernetes replaces a symbolic link two
/// folders away from it, and not every file system reports changes.
pub(super) struct Reader {
    path: PathBuf,
    rotation: Rotation,
    fault: Option<String>,
    tenants: watch::Sender<Tenant>,
}

impl Reader {
    pub(super) fn new(path: PathBuf, rotation: Rotation) -> Self {
        let (tenants, _) = watch::channel(rotation.tenant());
        Self { path, rotation, fault: None, tenants }
    }

    /// Starts the thread. It is a thread of its own, because reading a file may block.
    pub(super) fn start(mut self, interval: Duration) -> (Reloaded, thread::JoinHandle<()>) {
        let (in_use, users) = mpsc::channel();
        let reloaded = Reloaded { tenants: self.tenants.subscribe(), _in_use: in_use };
        let thread = thread::spawn(move || {
            while users.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                // A subscriber that cannot write its log may panic.
                _ = catch_unwind(AssertUnwindSafe(|| self.reload(UnixTime::now())));
            }
        });
        (reloaded, thread)
    }

    /// Loads the secret in the file if it is new. A fault changes nothing, and is logged once.
    fn reload(&mut self, now: UnixTime) {
        let (in_file, fault) = match Secret::from_file(&self.path) {
            Ok(secret) => (Some(secret), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let changes = self.rotation.update(in_file, now);
        if !changes.is_empty() {
            _ = self.tenants.send_replace(self.rotation.tenant());
        }
        let before = mem::replace(&mut self.fault, fault);

        match (&before, &self.fault) {
            (before, Some(fault)) if before.as_ref() != Some(fault) => {
                telemetry::secret_file_failed(fault, self.rotation.current());
            }
            (Some(_), None) => telemetry::secret_file_recovered(&self.path),
            _ => {}
        }
        for change in changes {
            telemetry::secret_file_changed(&self.path, &change);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use agentmail_verify::Tolerance;

    use super::*;

    /// A file for one test, removed on drop.
    struct TempFile(PathBuf);

    impl TempFile {
        fn with(name: &str, content: &[u8]) -> Self {
            let path = env::temp_dir().join(format!("agentmail-reader-{}-{name}", process::id()));
            fs::write(&path, content).unwrap();
            Self(path)
        }
    }

    impl Drop for TempFile {
        fn drop(&mut self) {
            _ = fs::remove_file(&self.0);
        }
    }

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn reader(file: &TempFile) -> Reader {
        let secret = Secret::from_file(&file.0).unwrap();
        let rotation = Rotation::new(secret, Duration::ZERO, Tolerance::default(), NOW);
        Reader::new(file.0.clone(), rotation)
    }

    #[test]
    fn a_fault_stays_until_the_file_can_be_loaded_and_changes_nothing() {
        let file = TempFile::with("fault", b"the secret in use");
        let mut reader = reader(&file);
        let tenants = reader.tenants.subscribe();
        for (content, fault) in [
            (&b""[..], Some("is empty")),
            (b"\xef\xbb\xbfanother\n", Some("a byte order mark")),
            (b"the secret in use", None),
            (b"the secret in use\r\n", None),
            (&[b'k'; 5_000], Some("longer than 4096 bytes")),
        ] {
            fs::write(&file.0, content).unwrap();

            reader.reload(NOW);

            let found = reader.fault.as_ref();
            assert_eq!(found.is_some(), fault.is_some(), "{found:?}");
            assert!(found.is_none_or(|found| found.contains(fault.unwrap())), "{found:?}");
            assert_eq!(reader.rotation.current().as_str(), "#1 since 1700000000");
            assert!(!tenants.has_changed().unwrap());
        }

        fs::remove_file(&file.0).unwrap();
        reader.reload(NOW);
        assert!(reader.fault.as_ref().is_some_and(|fault| fault.contains("No such file")));

        fs::write(&file.0, b"another").unwrap();
        reader.reload(NOW);
        assert_eq!(reader.fault, None);
        assert!(tenants.has_changed().unwrap());
        assert_eq!(reader.rotation.current().as_str(), "#2 since 1700000000");
    }

    /// Joining does not end if the thread does not end.
    #[test]
    fn the_thread_ends_when_the_last_clone_is_dropped() {
        let file = TempFile::with("thread", b"the secret in use");
        for interval in [Duration::from_millis(1), Duration::MAX] {
            let (reloaded, thread) = reader(&file).start(interval);

            let clone = reloaded.clone();
            drop(reloaded);
            assert!(!thread.is_finished());
            drop(clone);

            thread.join().unwrap();
        }
    }
}
