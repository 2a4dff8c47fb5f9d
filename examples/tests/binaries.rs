//! The examples as a user runs them: real processes, real HTTP.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use agentmail_examples::{Flaw, SAMPLE, Sender};

const SECRET: &str = "whsec_of_this_test";
const RECEIVERS: [&str; 2] =
    [env!("CARGO_BIN_EXE_axum_layer"), env!("CARGO_BIN_EXE_axum_extractor")];
const SEND: &str = env!("CARGO_BIN_EXE_send");
const TOUR: &str = env!("CARGO_BIN_EXE_tour");

/// A receiver that listens on a free port.
struct Receiver {
    process: Child,
    log: BufReader<ChildStdout>,
    url: String,
}

impl Receiver {
    fn start(binary: &str) -> Self {
        let mut process = command(binary)
            .env("WEBHOOK_SIGNING_SECRET", SECRET)
            .env("LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        let url = line.trim().split_once("listening at ").unwrap().1.to_owned();
        Self { process, log, url }
    }

    fn webhook(&self) -> String {
        format!("{}/agentmail/webhook", self.url)
    }

    fn handled(&self) -> String {
        ureq::get(format!("{}/handled", self.url))
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap()
    }

    /// Stops the receiver with a signal; returns whether it ended well, and its log.
    fn stop(mut self, signal: &str) -> (bool, String) {
        let kill = format!("kill -{signal} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.process.wait().unwrap().success(), log)
    }
}

/// A failed test leaves no process behind.
impl Drop for Receiver {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn command(binary: &str) -> Command {
    let mut command = Command::new(binary);
    command.env_remove("WEBHOOK_SIGNING_SECRET").env_remove("LISTEN").env_remove("RUST_LOG");
    command
}

fn text(output: &Output) -> (bool, String, String) {
    let [stdout, stderr] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    (output.status.success(), stdout, stderr)
}

#[test]
fn a_receiver_handles_what_is_genuine_and_logs_why_the_rest_is_refused() {
    for binary in RECEIVERS {
        let receiver = Receiver::start(binary);
        let sender = Sender::new(SECRET).unwrap();
        let sample = SAMPLE.as_bytes();
        let other = br#"{"type":"mail.bounced"}"#;

        for (body, flaw, status) in [
            (sample, None, 200),
            (other, None, 200),
            (sample, Some(Flaw::Unsigned), 403),
            (sample, Some(Flaw::Stale), 403),
            (sample, Some(Flaw::Forged), 403),
            (sample, Some(Flaw::Tampered), 403),
            (b"{}", None, 422),
            (&[b'x'; 262_145], None, 413),
        ] {
            let answer = sender.send(&receiver.webhook(), body, flaw).unwrap();
            assert_eq!((answer.status, &*answer.body), (status, ""), "{flaw:?} to {binary}");
        }

        assert_eq!(receiver.handled(), "2", "{binary}");
        let (ended_well, log) = receiver.stop("TERM");
        assert!(ended_well, "{binary}");
        for code in ["unsigned", "stale", "mismatch", "unexpected_payload", "body_too_large"] {
            assert!(log.contains(&format!("code=\"{code}\"")), "{code} of {binary}: {log}");
        }
        assert!(
            log.contains(r#"mail.agent_id="my-agent" mail.message_id="msg-abc123""#),
            "{binary}: {log}"
        );
        for never in ["Quarterly", "user@example.com", SECRET] {
            assert!(!log.contains(never), "{never} of {binary}: {log}");
        }
    }
}

#[test]
fn a_receiver_stops_cleanly_on_both_signals() {
    for binary in RECEIVERS {
        for signal in ["INT", "TERM"] {
            let (ended_well, log) = Receiver::start(binary).stop(signal);

            assert!(ended_well, "SIG{signal} to {binary}");
            assert!(log.contains("shutting down"), "SIG{signal} to {binary}: {log}");
        }
    }
}

#[test]
fn a_receiver_without_a_usable_secret_says_so_in_one_sentence() {
    for binary in RECEIVERS {
        for (secret, sentence) in [
            (None, "WEBHOOK_SIGNING_SECRET is not set"),
            (Some(""), "WEBHOOK_SIGNING_SECRET: the signing secret is empty"),
            (Some("secret\n"), "WEBHOOK_SIGNING_SECRET: the signing secret has white space"),
        ] {
            let output = command(binary)
                .envs(secret.map(|secret| ("WEBHOOK_SIGNING_SECRET", secret)))
                .output();

            let (ended_well, stdout, stderr) = text(&output.unwrap());
            assert!(!ended_well, "{binary}");
            assert_eq!((stdout.as_str(), stderr.lines().count()), ("", 1), "{binary}: {stderr}");
            assert!(stderr.starts_with(sentence), "{binary}: {stderr}");
        }
    }
}

#[test]
fn a_taken_address_is_one_sentence() {
    let receiver = Receiver::start(RECEIVERS[0]);
    let address = receiver.url.strip_prefix("http://").unwrap();

    let output = command(RECEIVERS[1])
        .env("WEBHOOK_SIGNING_SECRET", SECRET)
        .env("LISTEN", address)
        .output()
        .unwrap();

    let (ended_well, _, stderr) = text(&output);
    assert!(!ended_well);
    assert!(stderr.starts_with(&format!("cannot listen at {address}")), "{stderr}");
    receiver.stop("TERM");
}

#[test]
fn send_prints_the_answer() {
    let receiver = Receiver::start(RECEIVERS[0]);
    let file = std::env::temp_dir().join(format!("agentmail-send-{}.json", std::process::id()));
    std::fs::write(&file, br#"{"type":"mail.received","agent_id":"a","message_id":"from a file"}"#)
        .unwrap();
    let body = ["--body", file.to_str().unwrap()];

    for (arguments, status) in [
        (&[][..], 200),
        (&body, 200),
        (&["--forged"], 403),
        (&["--stale"], 403),
        (&["--unsigned"], 403),
    ] {
        let output = command(SEND)
            .args(["--url", &receiver.webhook(), "--secret", SECRET])
            .args(arguments)
            .output()
            .unwrap();
        let (ended_well, stdout, _) = text(&output);
        assert_eq!((ended_well, stdout), (status == 200, format!("{status} \n")), "{arguments:?}");
    }

    let (_, log) = receiver.stop("TERM");
    std::fs::remove_file(file).unwrap();
    assert!(log.contains(r#"mail.message_id="from a file""#), "{log}");
}

#[test]
fn send_tells_what_it_cannot_do() {
    for (arguments, sentence) in [
        (&["--url", "http://127.0.0.1:1/"][..], "needed"),
        (&["--secret", ""], "the signing secret is empty"),
        (&["--secret", "s", "--body", "no/such/file"], "No such file"),
        (&["--secret", "s", "--url", "http://127.0.0.1:1/"], "refused"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        let (ended_well, stdout, stderr) = text(&command(SEND).args(arguments).output().unwrap());

        assert!(!ended_well, "{arguments:?}");
        assert_eq!(stdout, "", "{arguments:?}");
        assert!(stderr.contains(sentence), "{arguments:?}: {stderr}");
    }
}

#[test]
fn the_tour_shows_six_deliveries_and_ends_well() {
    let (ended_well, table, stderr) = text(&command(TOUR).output().unwrap());

    assert!(ended_well, "{table}{stderr}");
    assert_eq!(table.lines().count(), 7, "{table}");
    for name in ["genuine", "unsigned", "stale", "forged", "oversized", "tampered"] {
        assert!(table.lines().any(|line| line.starts_with(name)), "{table}");
    }
}
