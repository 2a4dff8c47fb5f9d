//! The receivers as a user runs them, as processes over HTTP.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use agentmail_cli::{Fault, SAMPLE, Sender};

const SECRET: &str = "whsec_of_this_test";
const RECEIVERS: [&str; 2] =
    [env!("CARGO_BIN_EXE_axum_layer"), env!("CARGO_BIN_EXE_axum_extractor")];

/// A process that is killed when the test ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// A receiver that listens on a free port.
struct Receiver {
    process: Process,
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
        Self { process: Process(process), log, url }
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

    /// Stops the receiver with a signal. Returns whether it exited with success, and its log.
    fn stop(mut self, signal: &str) -> (bool, String) {
        let kill = format!("kill -{signal} {}", self.process.0.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        (self.process.0.wait().unwrap().success(), log)
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
fn a_receiver_handles_genuine_deliveries_and_logs_why_others_are_refused() {
    for binary in RECEIVERS {
        let receiver = Receiver::start(binary);
        let sender = Sender::new(SECRET).unwrap();
        let sample = SAMPLE.as_bytes();
        let other = br#"{"type":"mail.bounced"}"#;

        for (body, fault, status) in [
            (sample, None, 200),
            (other, None, 200),
            (sample, Some(Fault::Unsigned), 403),
            (sample, Some(Fault::Stale), 403),
            (sample, Some(Fault::Forged), 403),
            (sample, Some(Fault::Tampered), 403),
            (b"{}", None, 422),
            (&[b'x'; 262_145], None, 413),
        ] {
            let response = sender.send(&receiver.webhook(), body, fault).unwrap();
            assert_eq!((response.status, &*response.body), (status, ""), "{fault:?} to {binary}");
        }

        assert_eq!(receiver.handled(), "2", "{binary}");
        let (succeeded, log) = receiver.stop("TERM");
        assert!(succeeded, "{binary}");
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
            let (succeeded, log) = Receiver::start(binary).stop(signal);

            assert!(succeeded, "SIG{signal} to {binary}");
            assert!(log.contains("shutting down"), "SIG{signal} to {binary}: {log}");
        }
    }
}

#[test]
fn a_receiver_without_a_valid_secret_reports_it_in_one_sentence() {
    for binary in RECEIVERS {
        for (secret, sentence) in [
            (None, "Error: WEBHOOK_SIGNING_SECRET: the environment variable is not set"),
            (Some(""), "Error: WEBHOOK_SIGNING_SECRET: the signing secret is empty"),
            (Some("secret\n"), "Error: WEBHOOK_SIGNING_SECRET: the signing secret has whitespace"),
        ] {
            let output = command(binary)
                .envs(secret.map(|secret| ("WEBHOOK_SIGNING_SECRET", secret)))
                .output();

            let (succeeded, stdout, stderr) = text(&output.unwrap());
            assert!(!succeeded, "{binary}");
            assert_eq!((stdout.as_str(), stderr.lines().count()), ("", 1), "{binary}: {stderr}");
            assert!(stderr.starts_with(sentence), "{binary}: {stderr}");
        }
    }
}

#[test]
fn an_address_in_use_is_reported_in_one_sentence() {
    let receiver = Receiver::start(RECEIVERS[0]);
    let address = receiver.url.strip_prefix("http://").unwrap();

    let output = command(RECEIVERS[1])
        .env("WEBHOOK_SIGNING_SECRET", SECRET)
        .env("LISTEN", address)
        .output()
        .unwrap();

    let (succeeded, _, stderr) = text(&output);
    assert!(!succeeded);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with(&format!("Error: \"cannot listen at {address}: ")), "{stderr}");
    receiver.stop("TERM");
}

#[test]
fn a_delivery_is_accepted_when_the_log_cannot_be_written() {
    for binary in RECEIVERS {
        // A port that is free now, because the log cannot say where the receiver listens.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let process = command(binary)
            .env("WEBHOOK_SIGNING_SECRET", SECRET)
            .env("LISTEN", &address)
            .stdout(File::options().write(true).open("/dev/full").unwrap())
            .stderr(Stdio::piped())
            .spawn();
        let mut process = Process(process.unwrap());
        drop(process.0.stderr.take());
        let (url, sender) =
            (format!("http://{address}/agentmail/webhook"), Sender::new(SECRET).unwrap());

        let response = loop {
            match sender.send(&url, SAMPLE.as_bytes(), None) {
                Ok(response) => break response,
                Err(error) => {
                    let ended = process.0.try_wait().unwrap();
                    assert!(ended.is_none(), "{binary} ended: {ended:?}");
                    assert!(error.to_string().contains("refused"), "{binary}: {error}");
                }
            }
        };
        assert_eq!(response.status, 200, "{binary}");
    }
}
