use core::fmt;
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    secret::{Secret, SecretError},
    setup_error::setup_error,
};

/// No secret is longer. A file that was named by mistake may be.
const MAX_LEN: usize = 4_096;

impl Secret {
    /// Reads the secret from a file, for example one that Kubernetes or Docker mounts.
    ///
    /// One line end at the end of the file (`\n` or `\r\n`) is removed, because most editors and
    /// `echo` write one. Everything else is the key, as in [`Secret::new`]. At most 4,096 bytes are
    /// read, into one buffer that is wiped.
    ///
    /// ```no_run
    /// # use agentmail_verify::Secret;
    /// let secret = Secret::from_file("/run/secrets/agentmail/signing-secret")?;
    /// # Ok::<(), agentmail_verify::SecretFileError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, is not a regular file, is longer than 4,096 bytes, or does
    /// not contain a valid secret. The error names the path and the cause, never the content.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SecretFileError> {
        let path = path.as_ref();
        read(path).map_err(|cause| SecretFileError { path: path.to_path_buf(), cause })
    }
}

/// Why a file cannot be used as a secret. It names the path and the cause, never the content.
pub struct SecretFileError {
    path: PathBuf,
    cause: Cause,
}

enum Cause {
    Unreadable(io::Error),
    NotAFile,
    TooLong,
    NotASecret(SecretError),
}

impl SecretFileError {
    /// Returns the path that was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the cause.
    #[must_use]
    pub fn kind(&self) -> SecretFileErrorKind {
        match &self.cause {
            Cause::Unreadable(error) => match error.kind() {
                ErrorKind::NotFound => SecretFileErrorKind::NotFound,
                ErrorKind::PermissionDenied => SecretFileErrorKind::PermissionDenied,
                _ => SecretFileErrorKind::Unreadable,
            },
            Cause::NotAFile => SecretFileErrorKind::NotAFile,
            Cause::TooLong => SecretFileErrorKind::TooLong,
            Cause::NotASecret(error) => SecretFileErrorKind::NotASecret(*error),
        }
    }
}

/// Shows the path and the whole cause, so that `source` has nothing to add.
impl fmt::Display for SecretFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.cause {
            Cause::Unreadable(error) => error.fmt(f),
            Cause::NotAFile => f.write_str("not a regular file"),
            Cause::TooLong => write!(f, "the file is longer than {MAX_LEN} bytes"),
            Cause::NotASecret(error) => error.fmt(f),
        }
    }
}

setup_error!(SecretFileError);

/// The cause of a [`SecretFileError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretFileErrorKind {
    /// The file does not exist.
    NotFound,
    /// The process may not read the file.
    PermissionDenied,
    /// The path is not a regular file, for example a folder or a pipe.
    NotAFile,
    /// The file is longer than 4,096 bytes.
    TooLong,
    /// The system reported another error.
    Unreadable,
    /// The content is not a valid secret.
    NotASecret(SecretError),
}

fn read(path: &Path) -> Result<Secret, Cause> {
    // One byte more than is allowed, to notice a file that is too long.
    let mut buffer = Zeroizing::new([0; MAX_LEN + 1]);
    // Opening a pipe would block until another process writes to it.
    if !fs::metadata(path).map_err(Cause::Unreadable)?.is_file() {
        return Err(Cause::NotAFile);
    }
    let mut file = File::open(path).map_err(Cause::Unreadable)?;
    let len = fill(&mut file, buffer.as_mut_slice()).map_err(Cause::Unreadable)?;

    let content = buffer.get(..len).filter(|_| len <= MAX_LEN).ok_or(Cause::TooLong)?;
    Secret::new(without_line_end(content)).map_err(Cause::NotASecret)
}

/// Reads until the buffer is full or the source ends, and returns the number of bytes read.
///
/// `read_to_end` would leave unwiped copies where its buffer grew.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        let rest = buffer.get_mut(filled..).expect("a reader fills no more than it was given");
        match source.read(rest) {
            Ok(0) => return Ok(filled),
            Ok(read) => filled = filled.saturating_add(read),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn without_line_end(content: &[u8]) -> &[u8] {
    let line = content.strip_suffix(b"\n").unwrap_or(content);
    if line.len() == content.len() { content } else { line.strip_suffix(b"\r").unwrap_or(line) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_exactly_one_line_end() {
        for (content, line) in [
            ("s", "s"),
            ("s\n", "s"),
            ("s\r\n", "s"),
            ("s\n\n", "s\n"),
            ("s\r\n\r\n", "s\r\n"),
            ("s\n\r\n", "s\n"),
            ("s\r", "s\r"),
            ("s\r\r\n", "s\r"),
            ("\ns\n", "\ns"),
            ("\r\n", ""),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(without_line_end(content.as_bytes()), line.as_bytes(), "{content:?}");
        }
    }

    /// Made by hand, because root may read every file.
    #[test]
    fn tells_the_causes_of_the_system_apart() {
        for (cause, kind) in [
            (ErrorKind::NotFound, SecretFileErrorKind::NotFound),
            (ErrorKind::PermissionDenied, SecretFileErrorKind::PermissionDenied),
            (ErrorKind::TimedOut, SecretFileErrorKind::Unreadable),
        ] {
            let error = SecretFileError {
                path: "/run/secrets/name".into(),
                cause: Cause::Unreadable(cause.into()),
            };

            assert_eq!(error.kind(), kind);
            assert_eq!(
                std::format!("{error}"),
                std::format!("/run/secrets/name: {}", io::Error::from(cause))
            );
        }
    }

    #[test]
    fn reads_on_after_short_and_interrupted_reads() {
        /// Gives one byte at a time, and is interrupted before each.
        struct Trickle(&'static [u8], bool);
        impl Read for Trickle {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.1 = !self.1;
                if self.1 {
                    return Err(ErrorKind::Interrupted.into());
                }
                let len = buffer.len().min(1);
                self.0.read(&mut buffer[..len])
            }
        }
        let mut buffer = [0; 4];

        assert_eq!(fill(&mut Trickle(b"abc", false), &mut buffer).unwrap(), 3);
        assert_eq!(&buffer, b"abc\0");
        assert_eq!(fill(&mut Trickle(b"abcdefgh", false), &mut buffer).unwrap(), 4);
    }

    #[test]
    fn ends_at_an_error_even_if_a_later_read_would_succeed() {
        struct FailsOnce(bool);
        impl Read for FailsOnce {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, true) {
                    return Ok(0);
                }
                Err(ErrorKind::TimedOut.into())
            }
        }

        let error = fill(&mut FailsOnce(false), &mut [0; 4]).unwrap_err();

        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
