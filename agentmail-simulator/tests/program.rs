//! The program, as a process.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Output, Stdio},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_agentmail-simulator");

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_remove("AGENTMAIL_OPERATOR_TOKEN").env_remove("RUST_LOG");
    command
}

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A process that is killed when the test ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn it_prints_its_address_its_token_and_its_assumptions_and_ends_at_a_signal() {
    let mut process = Process(
        command(&["--listen", "127.0.0.1:0", "--agent", "a=secret-token", "--agent", "b"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap();
    let folder = lines.next().unwrap();
    assert!(address.starts_with("agentmail-simulator listens at http://127.0.0.1:"), "{address}");
    assert_eq!(lines.next().unwrap(), "The agent a has the token secret-token");
    assert!(lines.next().unwrap().starts_with("The agent b has the token "));
    assert!(lines.next().unwrap().contains("assumptions of this simulator"));

    let kill = format!("kill -TERM {}", process.0.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert!(process.0.wait().unwrap().success());
    let folder = folder.strip_prefix("The folder of the bucket is ").unwrap();
    assert!(!std::path::Path::new(folder).exists(), "the temporary folder is removed");
}

#[test]
fn help_and_version_are_printed() {
    let (code, help, _) = output(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(help.contains("--keep-timestamp") && help.lines().all(|line| line.len() <= 100));
    let (code, version, _) = output(&["--version"]);
    assert_eq!((code, version.starts_with("agentmail-simulator ")), (Some(0), true));
}

#[test]
fn what_it_cannot_do_is_an_error() {
    for (name, arguments, code, named) in [
        ("an unknown option", &["--nothing"][..], 2, "--nothing"),
        ("no loopback address", &["--listen", "0.0.0.0:0"], 1, "operator's token"),
        ("no address", &["--listen", "nowhere"], 1, "cannot listen at nowhere"),
        ("an agent's id", &["--listen", "127.0.0.1:0", "--agent", "../a"], 1, "../a"),
    ] {
        let (actual, out, error) = output(arguments);

        assert_eq!((actual, out.as_str()), (Some(code), ""), "{name}: {error}");
        assert!(error.contains(named), "{name}: {error}");
    }
}

#[cfg(not(feature = "data"))]
#[test]
fn without_the_feature_data_the_option_is_an_error() {
    let (code, _, error) = output(&["--data", "file"]);
    assert!(code == Some(2) && error.contains("without the feature `data`"), "{error}");
}

#[test]
fn a_log_goes_to_standard_error_only() {
    let mut process = Process(
        command(&["--listen", "127.0.0.1:0"])
            .env("RUST_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut out = BufReader::new(process.0.stdout.take().unwrap());
    let mut line = String::new();
    for _ in 0..4 {
        out.read_line(&mut line).unwrap();
    }
    _ = process.0.kill();
    out.read_to_string(&mut line).unwrap();
    assert_eq!(line.lines().count(), 4, "{line}");
}
