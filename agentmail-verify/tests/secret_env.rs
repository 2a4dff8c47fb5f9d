//! A secret from an environment variable.
//!
//! Each case runs in another process, because changing the variables of this process is unsafe.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    env,
    error::Error,
    ffi::{OsStr, OsString},
    process::Command,
};

use agentmail_verify::{Secret, SecretEnvErrorKind, SecretError, Signer, UnixTime};

const NAME: &str = "AGENTMAIL_TEST_SECRET";
/// The variable with the result that the process of a case must expect.
const EXPECTED: &str = "AGENTMAIL_TEST_EXPECTED";

/// Returns the name of the expected result and the value of the variable for each case.
fn cases() -> Vec<(&'static str, Option<OsString>)> {
    vec![
        ("accepted", Some("whsec_test_secret".into())),
        ("not set", None),
        ("not UTF-8", Some(not_utf8())),
        ("zero-width space", Some("hush\u{200b}".into())),
        ("empty", Some("".into())),
        ("whitespace", Some("hush\n".into())),
    ]
}

#[cfg(unix)]
fn not_utf8() -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(b"hush\xff".into())
}

#[cfg(windows)]
fn not_utf8() -> OsString {
    std::os::windows::ffi::OsStringExt::from_wide(&[0x68, 0xd83d])
}

#[test]
fn each_cause_has_its_own_kind() {
    for (name, value) in cases() {
        let output = run(name, value.as_deref());

        assert!(output.0, "{name}: {}", output.1);
        assert!(output.1.contains("1 passed"), "{name}: {}", output.1);
    }
}

/// Runs the test below alone, in another process.
fn run(expected: &str, value: Option<&OsStr>) -> (bool, String) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "one_case", "--nocapture"]).env(EXPECTED, expected).env_remove(NAME);
    if let Some(value) = value {
        command.env(NAME, value);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.into_owned())
}

/// Checks the case of [`run`]. Without [`EXPECTED`], it checks a variable that is not set.
#[test]
fn one_case() {
    let expected = env::var(EXPECTED).unwrap_or_else(|_| "not set".into());
    let outcome = Secret::from_env(NAME);

    let (kind, message) = match &*expected {
        "accepted" => {
            let signature = |secret| {
                Signer::new(secret).sign(UnixTime::from_secs(0), b"").signature().to_owned()
            };
            let same = Secret::new("whsec_test_secret").unwrap();
            return assert_eq!(signature(outcome.unwrap()), signature(same));
        }
        "not set" => (SecretEnvErrorKind::NotSet, "the environment variable is not set"),
        "not UTF-8" => (
            SecretEnvErrorKind::NotASecret(SecretError::NotUtf8),
            "the signing secret is not UTF-8",
        ),
        "zero-width space" => (
            SecretEnvErrorKind::NotASecret(SecretError::InvisibleCharacter),
            "the signing secret has an invisible character, for example a zero-width space",
        ),
        "empty" => {
            (SecretEnvErrorKind::NotASecret(SecretError::Empty), "the signing secret is empty")
        }
        "whitespace" => (
            SecretEnvErrorKind::NotASecret(SecretError::SurroundingWhitespace),
            "the signing secret has whitespace at its start or end, for example a newline",
        ),
        other => panic!("there is no case `{other}`"),
    };
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), kind);
    assert_eq!(error.name(), NAME);
    assert_eq!(error.to_string(), format!("{NAME}: {message}"));
    assert!(!format!("{error:?}{error}").contains("hush"), "{error}");
    assert!(error.source().is_none(), "the message has the whole cause");
}
