use std::{
    env,
    error::Error,
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use agentmail_verify::{Label, Secret, SecretError};
use zeroize::Zeroizing;

use super::secret_forms::doubts;

/// The raw text of a secret, as the receiver has it.
///
/// A [`Secret`] keeps no text, so that nothing can print it. A diagnosis needs the text, because a
/// mistake in it, such as quotes, can only be undone in the text. Keep it only where a diagnosis
/// runs. It is wiped when the last clone is dropped, and `Debug` does not show it.
#[derive(Clone)]
#[must_use]
pub struct SecretText {
    text: Arc<Zeroizing<Vec<u8>>>,
    label: Label,
}

impl SecretText {
    /// The longest secret in a file, in bytes, as in [`Secret::from_file`].
    const MAX_FILE: u64 = 4_096;

    /// Keeps this text. It may be anything, even a text that cannot be a [`Secret`].
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        Self::from_bytes(Zeroizing::new(text.as_ref().to_vec()))
    }

    /// Keeps the value of an environment variable.
    ///
    /// # Errors
    ///
    /// Fails if the variable is not set.
    pub fn from_env(name: &str) -> Result<Self, SecretTextError> {
        let value = env::var_os(name).ok_or_else(|| SecretTextError::not_set(name))?;
        Ok(Self::from_bytes(Zeroizing::new(value.into_encoded_bytes())))
    }

    /// Keeps the content of a file, without one line end at its end, as [`Secret::from_file`] does.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read, or is longer than 4,096 bytes.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SecretTextError> {
        let path = path.as_ref();
        let name = || path.display().to_string();
        let file = File::open(path).map_err(|error| SecretTextError::unreadable(name(), error))?;
        Self::read(file, name())
    }

    /// Keeps what a reader returns, for example the standard input, without one line end at its
    /// end. `name` names the reader in an error.
    ///
    /// # Errors
    ///
    /// Fails if it cannot be read, or is longer than 4,096 bytes.
    pub fn read(source: impl Read, name: impl Into<String>) -> Result<Self, SecretTextError> {
        let name = name.into();
        // Large enough for every text, so that no copy is left behind when it grows.
        let mut content = Zeroizing::new(Vec::with_capacity(2 * 4_096));
        match source.take(Self::MAX_FILE.saturating_add(1)).read_to_end(&mut content) {
            Err(error) => Err(SecretTextError::unreadable(name, error)),
            Ok(len) if u64::try_from(len).is_ok_and(|len| len <= Self::MAX_FILE) => {
                let line = content.strip_suffix(b"\n").unwrap_or(&content);
                let line = match line.len() == content.len() {
                    true => line,
                    false => line.strip_suffix(b"\r").unwrap_or(line),
                };
                let line = line.len();
                content.truncate(line);
                Ok(Self::from_bytes(content))
            }
            Ok(_) => Err(SecretTextError::too_long(name)),
        }
    }

    /// Sets the label that a diagnosis names this secret by.
    pub fn with_label(self, label: Label) -> Self {
        Self { label, ..self }
    }

    /// Returns the label.
    #[must_use]
    pub const fn label(&self) -> Label {
        self.label
    }

    /// Creates the secret, with the same label.
    ///
    /// # Errors
    ///
    /// Those of [`Secret::new`].
    pub fn secret(&self) -> Result<Secret, SecretError> {
        Secret::new(self.as_bytes()).map(|secret| secret.with_label(self.label))
    }

    /// Returns the length of the text, in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns what looks like a mistake in the text, in one sentence each. None of them contains a
    /// part of the text.
    #[must_use]
    pub fn doubts(&self) -> Vec<&'static str> {
        doubts(&self.text)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    fn from_bytes(text: Zeroizing<Vec<u8>>) -> Self {
        Self { text: Arc::new(text), label: Label::default() }
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretText").field("label", &self.label).finish_non_exhaustive()
    }
}

/// Why the text of a secret cannot be read. `Display` names the variable or the file.
#[derive(Debug)]
pub struct SecretTextError {
    name: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    NotSet,
    Unreadable(io::Error),
    TooLong,
}

impl SecretTextError {
    fn not_set(name: &str) -> Self {
        Self { name: name.to_owned(), cause: Cause::NotSet }
    }

    fn unreadable(name: String, error: io::Error) -> Self {
        Self { name, cause: Cause::Unreadable(error) }
    }

    fn too_long(name: String) -> Self {
        Self { name, cause: Cause::TooLong }
    }

    /// Returns whether there is no such variable or file.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match &self.cause {
            Cause::NotSet => true,
            Cause::Unreadable(error) => error.kind() == io::ErrorKind::NotFound,
            Cause::TooLong => false,
        }
    }
}

impl fmt::Display for SecretTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        match &self.cause {
            Cause::NotSet => f.write_str("the environment variable is not set"),
            Cause::Unreadable(error) => error.fmt(f),
            Cause::TooLong => write!(f, "longer than {} bytes", SecretText::MAX_FILE),
        }
    }
}

impl Error for SecretTextError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_one_line_end_and_refuses_what_is_too_long() {
        let read = |content: &str| SecretText::read(content.as_bytes(), "a file");

        for (content, text) in [("s\n", "s"), ("s\r\n", "s"), ("s\n\n", "s\n"), ("s\r", "s\r")] {
            assert_eq!(read(content).unwrap().as_bytes(), text.as_bytes(), "{content:?}");
        }
        assert!(read(&"s".repeat(4_096)).is_ok());
        let error = read(&"s".repeat(4_097)).unwrap_err();
        assert_eq!(error.to_string(), "a file: longer than 4096 bytes");
    }

    #[test]
    fn shows_the_label_and_not_the_text() {
        let label = Label::new("2026-11").unwrap();
        let shown = format!("{:?}", SecretText::new("hush").with_label(label));

        assert!(shown.contains("2026-11") && !shown.contains("hush"), "{shown}");
        let error = SecretText::from_env("NO_SUCH_VARIABLE_OF_A_TEST").unwrap_err();
        assert!(error.is_not_found());
        assert!(error.to_string().starts_with("NO_SUCH_VARIABLE_OF_A_TEST: "));
    }
}
