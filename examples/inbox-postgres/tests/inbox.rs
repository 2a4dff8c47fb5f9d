//! Two receivers on one PostgreSQL server, over HTTP.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod server;

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use agentmail_cli::Sender;
use server::PostgresServer;

const SECRET: &str = "whsec_of_this_test";

/// A receiver that listens on a free port.
struct Receiver {
    process: Child,
    log: BufReader<ChildStdout>,
    url: String,
}

impl Receiver {
    fn start(inbox: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_inbox_postgres"))
            .env("WEBHOOK_SIGNING_SECRET", SECRET)
            .env("LISTEN", "127.0.0.1:0")
            .env("INBOX", inbox)
            .env("RUST_LOG", "info")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stdout.take().unwrap());
        let mut receiver = Self { process, log, url: String::new() };
        let line = receiver.waits_for("listening at ");
        receiver.url = line.trim().rsplit_once(' ').unwrap().1.to_owned();
        receiver
    }

    fn mail(&self, message_id: &str) -> u16 {
        let body =
            format!(r#"{{"type":"mail.received","agent_id":"a","message_id":"{message_id}"}}"#);
        let url = format!("{}/agentmail/webhook", self.url);
        Sender::new(SECRET).unwrap().send(&url, body.as_bytes(), None).unwrap().status
    }

    /// Reads the log up to a line with this text.
    fn waits_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "it ended without {text:?}");
            if line.contains(text) {
                return line;
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

#[test]
fn two_processes_share_an_inbox_and_a_server_that_fails_gives_503() {
    let server = PostgresServer::start().unwrap();
    let mut receivers = [Receiver::start(&server.url()), Receiver::start(&server.url())];
    for number in 0..20 {
        let id = format!("m-{number}");
        assert_eq!(receivers[0].mail(&id), 200);
        assert_eq!(receivers[1].mail(&id), 200, "a copy");
    }

    server.signal("STOP").unwrap();
    assert_eq!(receivers[0].mail("late"), 503);
    server.signal("CONT").unwrap();

    while receivers[0].mail("late") != 200 {}
    assert_eq!(receivers[1].mail("late"), 200);
    // Either process may work on it.
    let (first, _) = receivers.split_at_mut(1);
    for number in 0.. {
        if first[0].mail(&format!("more-{number}")) == 200 && number > 50 {
            break;
        }
    }
    first[0].waits_for("mail of an unverified sender");
}

#[test]
fn a_server_that_is_down_at_the_start_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_inbox_postgres"))
        .env("WEBHOOK_SIGNING_SECRET", SECRET)
        .env("INBOX", "postgres://app:hush@127.0.0.1:1/app")
        .output()
        .unwrap();

    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("the PostgreSQL server cannot be reached"), "{error}");
    assert!(!error.contains("hush"), "{error}");
}

#[test]
fn two_lines_differ_from_the_example_on_sqlite() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = |path: &str| -> Vec<String> {
        let code = fs::read_to_string(folder.join(path)).unwrap();
        let is_code = |line: &&str| !line.starts_with("//!");
        code.lines().filter(is_code).map(ToOwned::to_owned).collect()
    };
    let (ours, other) = (code("src/main.rs"), code("../inbox/src/main.rs"));

    assert_eq!(ours.len(), other.len());
    let different = ours.iter().zip(&other).filter(|(ours, other)| ours != other).count();
    assert_eq!(different, 2);
    assert_eq!(code("src/faults.rs"), code("../inbox/src/faults.rs"));
}
