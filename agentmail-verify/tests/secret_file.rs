//! Secrets that are read from a file.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{error::Error, fs, path::PathBuf};

use agentmail_verify::{Secret, SecretError, SecretFileErrorKind, Signer, UnixTime};

/// A file for one test, removed on drop.
struct TempFile(PathBuf);

impl TempFile {
    fn with(name: &str, content: &[u8]) -> Self {
        let file = format!("agentmail-secret-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(file);
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

fn signature(secret: Secret) -> String {
    Signer::new(secret).sign(UnixTime::from_secs(0), b"").signature().to_owned()
}

#[test]
fn the_file_contains_the_secret_and_at_most_one_line_end() {
    let shown = || signature(Secret::new("whsec_test_secret").unwrap());
    for (name, content) in [
        ("bare", "whsec_test_secret"),
        ("lf", "whsec_test_secret\n"),
        ("crlf", "whsec_test_secret\r\n"),
    ] {
        let file = TempFile::with(name, content.as_bytes());

        assert_eq!(signature(Secret::from_file(&file.0).unwrap()), shown(), "{name}");
    }
}

#[test]
fn the_longest_allowed_file_is_read_whole() {
    let key = vec![b'k'; 4_096];
    let file = TempFile::with("longest", &key);

    assert_eq!(
        signature(Secret::from_file(&file.0).unwrap()),
        signature(Secret::new(&key).unwrap())
    );
}

#[test]
fn an_error_names_the_path_and_the_cause_but_not_the_content() {
    let blank = SecretFileErrorKind::NotASecret(SecretError::SurroundingWhitespace);
    let empty = SecretFileErrorKind::NotASecret(SecretError::Empty);
    let utf_16 = SecretFileErrorKind::NotASecret(SecretError::Utf16);
    let mark = SecretFileErrorKind::NotASecret(SecretError::ByteOrderMark);
    let control = SecretFileErrorKind::NotASecret(SecretError::ControlCharacter);
    let little_endian = "hush\r\n".encode_utf16().flat_map(u16::to_le_bytes);
    let big_endian = "hush\r\n".encode_utf16().flat_map(u16::to_be_bytes);
    for (name, content, kind, cause) in [
        ("empty", b"".to_vec(), empty, "the signing secret is empty"),
        ("blank", b"\n".to_vec(), empty, "the signing secret is empty"),
        ("two-line-ends", b"hush\n\n".to_vec(), blank, "whitespace at its start or end"),
        ("a-space", b" hush\n".to_vec(), blank, "whitespace at its start or end"),
        ("utf-16", little_endian.collect(), utf_16, "is UTF-16"),
        ("utf-16-be", big_endian.collect(), utf_16, "is UTF-16"),
        ("mark", b"\xef\xbb\xbfhush\r\n".to_vec(), mark, "begins with a byte order mark"),
        ("two-lines", b"hush\nhush\n".to_vec(), control, "for example a second line"),
        ("nul", b"hush\0\n".to_vec(), control, "or NUL"),
        ("too-long", b"hush".repeat(1_025), SecretFileErrorKind::TooLong, "longer than 4096 bytes"),
        ("huge", b"hush".repeat(1 << 20), SecretFileErrorKind::TooLong, "longer than 4096 bytes"),
    ] {
        let file = TempFile::with(name, &content);

        let error = Secret::from_file(&file.0).unwrap_err();

        let message = error.to_string();
        assert!(message.starts_with(&*file.0.to_string_lossy()), "{message}");
        assert!(message.contains(cause), "{message}");
        assert!(!format!("{error:?}{message}").contains("hush"), "{error:?}");
        assert_eq!(error.path(), file.0);
        assert_eq!(error.kind(), kind, "{name}");
        assert!(error.source().is_none(), "the message has the whole cause");
    }
}

#[test]
fn an_unreadable_file_is_an_error() {
    let missing = Secret::from_file(std::env::temp_dir().join("agentmail-no-such-file"));
    let missing = missing.unwrap_err();

    assert!(missing.to_string().contains("No such file"), "{missing}");
    assert_eq!(missing.kind(), SecretFileErrorKind::NotFound);
    let folder = Secret::from_file(std::env::temp_dir()).unwrap_err();
    assert_eq!(folder.kind(), SecretFileErrorKind::NotAFile, "{folder}");
}

/// `/dev/zero` never ends, so it must be refused before it is read.
#[cfg(unix)]
#[test]
fn an_endless_file_is_refused() {
    let error = Secret::from_file("/dev/zero").unwrap_err();

    assert_eq!(error.to_string(), "/dev/zero: not a regular file");
}
