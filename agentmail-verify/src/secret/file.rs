use core::{error::Error, fmt};
use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{Secret, SecretError};

/// No secret is as long; a file that was named by mistake may be.
const MAX_LEN: usize = 4_096;

impl Secret {
    /// Reads the secret from a file, such as a mounted one of Kubernetes or Docker.
    ///
    /// One line end at the end of the file (`\n` or `\r\n`) is taken off, since most editors and
    /// `echo` leave one; everything else is the key, as in [`Secret::new`]. At most 4,096 bytes are
    /// read, in one buffer that is wiped.
    ///
    /// ```no_run
    /// use agentmail_verify::Secret;
    ///
    /// let secret = Secret::from_file("/run/secrets/agentmail/signing-secret")?;
    /// # Ok::<(), agentmail_verify::SecretFileError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no regular one, is longer, or does not hold what [`Secret::new`] takes. The error
    /// names the path and the cause, never the content.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SecretFileError> {
        let path = path.as_ref();
        read(path).map_err(|cause| SecretFileError { path: path.to_path_buf(), cause })
    }
}

/// Why a file cannot be taken as a secret. It names the path and the cause, never the content.
#[derive(Debug)]
pub struct SecretFileError {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Unreadable(io::Error),
    TooLong,
    NotASecret(SecretError),
}

impl SecretFileError {
    /// Returns the path that was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for SecretFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.cause {
            Cause::Unreadable(error) => error.fmt(f),
            Cause::TooLong => write!(f, "the file is longer than {MAX_LEN} bytes"),
            Cause::NotASecret(error) => error.fmt(f),
        }
    }
}

impl Error for SecretFileError {}

fn read(path: &Path) -> Result<Secret, Cause> {
    // One byte more than may be there.
    let mut buffer = Zeroizing::new([0; MAX_LEN + 1]);
    // To open a pipe would block until somebody writes.
    if !fs::metadata(path).map_err(Cause::Unreadable)?.is_file() {
        return Err(Cause::Unreadable(io::Error::other("not a regular file")));
    }
    let mut file = File::open(path).map_err(Cause::Unreadable)?;
    let len = fill(&mut file, buffer.as_mut_slice()).map_err(Cause::Unreadable)?;

    let content = buffer.get(..len).filter(|_| len <= MAX_LEN).ok_or(Cause::TooLong)?;
    Secret::new(without_line_end(content)).map_err(Cause::NotASecret)
}

/// Reads until the buffer is full or the source has ended, and returns how many bytes there were.
/// `read_to_end` would leave copies behind where its buffer grew.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    loop {
        match source.read(buffer.get_mut(filled..).unwrap_or_default()) {
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
    fn takes_off_exactly_one_line_end() {
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
}
