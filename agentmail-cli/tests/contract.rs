//! What scripts rely on: exit codes, what is on stdout, and that no secret is ever printed.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use agentmail_axum::{Secret, Signer, UnixTime};
use common::{CLI, SECRET, receiver};

/// What a command has printed.
#[derive(Debug)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

struct Cli {
    command: Command,
    stdin: String,
}

fn cli(arguments: &[&str]) -> Cli {
    let mut command = Command::new(CLI);
    command.args(arguments).env("WEBHOOK_SIGNING_SECRET", SECRET).env_remove("NO_COLOR");
    Cli { command, stdin: String::new() }
}

impl Cli {
    fn without_secret(mut self) -> Self {
        self.command.env_remove("WEBHOOK_SIGNING_SECRET");
        self
    }

    fn secret(mut self, secret: &str) -> Self {
        self.command.env("WEBHOOK_SIGNING_SECRET", secret);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    fn stdin(mut self, text: &str) -> Self {
        self.stdin = text.to_owned();
        self
    }

    fn run(mut self) -> Run {
        let pipes = [Stdio::piped(), Stdio::piped(), Stdio::piped()];
        let [stdin, stdout, stderr] = pipes;
        let mut child = self.command.stdin(stdin).stdout(stdout).stderr(stderr).spawn().unwrap();
        // A command may end before it has read its input.
        _ = child.stdin.take().unwrap().write_all(self.stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        Run { code: output.status.code().unwrap(), stdout, stderr }
    }
}

/// A file in the temporary folder, which is removed when it is dropped.
struct File(PathBuf);

impl File {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("agentmail-{}-{name}", std::process::id()));
        fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

const MAIL: &str = concat!(
    r#"{"type":"mail.received","agent_id":"a","message_id":"m","#,
    r#""sender":"eve@example.com","subject":"hush, a subject"}"#
);

fn request(body: &str, arrived: &str) -> String {
    let signer = Signer::new(Secret::new(SECRET).unwrap());
    let signed = signer.sign(UnixTime::from_secs(1_700_000_000), body.as_bytes());
    let headers = signed.headers().map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    format!("POST / HTTP/1.1\r\n{headers}\r\n{arrived}")
}

#[test]
fn the_exit_code_says_what_happened() {
    let (_runtime, address) = receiver();
    let url = format!("http://{address}/agentmail/webhook");
    let nothing = format!("http://{address}/nothing");
    let genuine = File::new("genuine.http", &request(MAIL, MAIL));
    let changed = File::new("changed.http", &request(MAIL, "{}"));
    let mail = File::new("mail.json", MAIL);
    let secret = File::new("secret.txt", &format!("{SECRET}\n"));
    let closed = "http://127.0.0.1:1/";

    for (arguments, code) in [
        (&["send", &url][..], 0),
        (&["send", &url, "--body", mail.path()], 0),
        (&["send", &url, "--fault", "forged"], 0),
        (&["send", &url, "--fault", "duplicate"], 0),
        (&["send", &url, "--fault", "truncated"], 0),
        (&["send", &url, "--count", "3", "--concurrency", "2", "--unique"], 0),
        (&["send", &nothing], 1),
        (&["send", &nothing, "--fault", "forged"], 1),
        (&["send", &nothing, "--count", "2"], 1),
        (&["send", closed], 3),
        (&["send", closed, "--count", "2"], 3),
        (&["send", "ftp://127.0.0.1/"], 2),
        (&["send"], 2),
        (&["send", &url, "--set", "subjct=x"], 2),
        (&["send", &url, "--set", "sender_verified=yes"], 2),
        (&["send", &url, "--frobnicate"], 2),
        (&["send", &url, "--body", "no/such/file"], 4),
        (&["send", &url, "--capture", mail.path()], 4),
        (&["send", &url, "--secret-file", "no/such/file"], 4),
        (&["send", &url, "--secret-file", secret.path()], 0),
        (&["explain", genuine.path()], 0),
        (&["explain", "-q", genuine.path()], 0),
        (&["explain", genuine.path(), "--at", "1700000301"], 1),
        (&["explain", changed.path()], 1),
        (&["explain", "-q", changed.path()], 1),
        (&["explain", mail.path()], 4),
        (&["explain", "no/such/file"], 4),
        (&["explain", genuine.path(), "--at", "noon"], 2),
        (&["doctor"], 0),
        (&["doctor", &url], 0),
        (&["doctor", &nothing], 1),
        (&["doctor", closed], 3),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["listen", "--port", "99999"], 2),
        (&[], 2),
    ] {
        let run = cli(arguments).run();
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        // Messages do not mix with data.
        let has_data = matches!(code, 0 | 1) && !arguments.contains(&"-q");
        assert_eq!(
            !run.stdout.is_empty(),
            has_data || arguments.first() == Some(&"doctor"),
            "{run:?}"
        );
    }
}

#[test]
fn a_command_that_needs_a_secret_says_how_to_give_it() {
    let run = cli(&["send", "http://127.0.0.1:1/"]).without_secret().run();

    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("set WEBHOOK_SIGNING_SECRET"), "{run:?}");
    assert_eq!(
        cli(&["send", "http://127.0.0.1:1/", "--fault", "forged"]).without_secret().run().code,
        3
    );
    assert_eq!(cli(&["doctor"]).without_secret().run().code, 1);
    let run =
        cli(&["doctor", "--secret-stdin"]).without_secret().stdin("a secret of a test\n").run();
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn without_a_secret_an_explanation_says_only_that() {
    let genuine = File::new("no-secret.http", &request(MAIL, MAIL));

    let run = cli(&["explain", genuine.path()]).without_secret().run();

    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.stdout.starts_with("not checked: there is no secret: set WEBHOOK"), "{run:?}");
    assert!(!run.stdout.contains("compare the secret"), "{run:?}");
}

#[test]
fn a_response_that_was_not_expected_comes_with_the_next_step() {
    let (_runtime, address) = receiver();
    for (url, secret, step) in [
        (format!("http://{address}/agentmail/webhook"), "another secret", "`doctor --deliver`"),
        (format!("http://{address}/nothing"), SECRET, "no receiver at this path"),
        (format!("https://{address}/agentmail/webhook"), SECRET, "does not speak TLS"),
        (format!("{address}/agentmail/webhook"), SECRET, "a URL is, for example, http://"),
    ] {
        let run = cli(&["send", &url]).secret(secret).run();
        assert_ne!(run.code, 0, "{url}");
        assert!(run.stderr.contains(step), "{url}: {run:?}");
    }
}

#[test]
fn a_secret_as_an_argument_is_refused_and_not_repeated() {
    for arguments in [
        &["send", "http://127.0.0.1:1/", "--secret", "hush"][..],
        &["send", "http://127.0.0.1:1/", "--secret=hush"],
        &["send", "http://127.0.0.1:1/", "--signing-secret=hush"],
        &["send", "http://127.0.0.1:1/", "whsec_hush"],
        &["explain", "whsec_hush"],
        &["send", "http://user:hush@127.0.0.1:1/"],
    ] {
        let run = cli(arguments).run();
        assert_eq!(run.code, 2, "{arguments:?}: {run:?}");
        assert!(!run.stderr.contains("hush") && run.stdout.is_empty(), "{run:?}");
    }
}

#[test]
fn json_has_the_documented_members_and_one_object_in_each_line() {
    let (_runtime, address) = receiver();
    let url = format!("http://{address}/agentmail/webhook");
    let changed = File::new("json.http", &request(MAIL, "{}"));
    let objects = |arguments: &[&str]| {
        let run = cli(&[&["--json"], arguments].concat()).run();
        let lines = run.stdout.lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<serde_json::Value>>()
    };
    let names = |value: &serde_json::Value| {
        let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };

    let sent = objects(&["send", &url]);
    assert_eq!(names(&sent[0]), "as_expected body expected milliseconds status");
    let summary = objects(&["send", &url, "--count", "2"]);
    assert_eq!(names(&summary[0]), "as_expected sent statuses without_response");
    let explained = objects(&["explain", changed.path()]);
    assert_eq!(
        names(&explained[0]),
        "causes code hashed_bytes notes reason signature_matches tried verdict"
    );
    assert_eq!(names(&explained[0]["causes"][0]), "certainty code fix sentence tried");
    let checks = objects(&["doctor", &url]);
    assert!(checks.len() > 10);
    assert!(checks.iter().all(|check| names(check) == "check detail status"), "{checks:?}");
}

#[test]
fn colors_appear_only_where_they_are_wanted() {
    let forced = || cli(&["doctor"]).variable("CLICOLOR_FORCE", "1");

    assert!(!cli(&["doctor"]).run().stdout.contains('\x1b'));
    assert!(forced().run().stdout.contains('\x1b'));
    assert!(!cli(&["doctor"]).variable("NO_COLOR", "1").run().stdout.contains('\x1b'));
}

#[test]
fn nothing_prints_a_secret_a_mac_or_the_text_of_a_mail() {
    let signer = Signer::new(Secret::new(SECRET).unwrap());
    let expected = signer.sign(UnixTime::from_secs(1_700_000_000), b"{}");
    let changed = File::new("secrecy.http", &request(MAIL, "{}"));
    let genuine = File::new("genuine-2.http", &request(MAIL, MAIL));
    let spaced = File::new("spaced.http", &request(MAIL, &MAIL.replace(':', ": ")));
    let quoted = format!("'{SECRET}'");
    for file in [&changed, &genuine, &spaced] {
        for secret in [SECRET, &quoted, "another secret"] {
            for json in [&[][..], &["--json"]] {
                let arguments = [json, &["explain", file.path()]].concat();
                let run = cli(&arguments).secret(secret).run();
                let printed = format!("{}{}", run.stdout, run.stderr);
                for text in [SECRET, &expected.signature()[3..], "hush", "eve@example.com"] {
                    assert!(!printed.contains(text), "{text}: {printed}");
                }
            }
        }
    }
}

#[test]
fn the_doctor_says_what_is_wrong_with_a_secret() {
    for (secret, fault) in [
        ("'a secret of a test'", "quotes"),
        ("a secret of a test ", "whitespace"),
        ("NAME=a-secret-of-a-test", "NAME=secret"),
        (r#"{"signing_secret":"a secret of a test"}"#, "JSON"),
        ("\u{feff}a secret of a test", "byte order mark"),
        ("", "empty"),
    ] {
        let run = cli(&["doctor"]).secret(secret).run();
        assert_eq!(run.code, 1, "{secret}: {run:?}");
        assert!(run.stdout.contains(fault), "{secret}: {run:?}");
        assert!(!run.stdout.contains("secret-of") && !run.stdout.contains("of a test"), "{run:?}");
    }
}

/// Starts `listen`, and returns it with its address and the reader of its messages.
fn listen(arguments: &[&str]) -> (std::process::Child, String, impl std::io::BufRead + use<>) {
    use std::io::{BufRead, BufReader};

    let mut child = Command::new(CLI)
        .args([&["--json", "listen", "--port", "0"], arguments].concat())
        .env("WEBHOOK_SIGNING_SECRET", SECRET)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut messages = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    messages.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
    (child, address, messages)
}

fn exchange(address: &str, request: &str) -> String {
    use std::io::Read;

    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn a_listener_refuses_web_pages_and_runs_its_command_for_verified_deliveries_only() {
    let ran = File::new("ran", "");
    let command = format!("cat >>{}", ran.path());
    let (child, address, _messages) = listen(&["--exec", &command, "--count", "3"]);
    let head = "host: localhost\r\nconnection: close\r\n";

    let of_a_page =
        format!("POST / HTTP/1.1\r\n{head}origin: http://evil\r\ncontent-length: 2\r\n\r\n{{}}");
    assert!(exchange(&address, &of_a_page).starts_with("HTTP/1.1 403"));
    let get = format!("GET / HTTP/1.1\r\n{head}\r\n");
    assert!(exchange(&address, &get).starts_with("HTTP/1.1 405"));
    let url = format!("http://{address}/");
    for (fault, status) in [("tampered", "403"), ("forged", "403"), ("", "200")] {
        let fault = if fault.is_empty() { vec![] } else { vec!["--fault", fault] };
        let run = cli(&[&["send", &url], &fault[..]].concat()).run();
        assert_eq!(run.stdout.trim(), status, "{run:?}");
    }

    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts: Vec<_> = lines.iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["refused", "refused", "verified"]);
    assert_eq!(lines[0]["causes"][0]["code"], "body_whitespace");
    assert_eq!(fs::read_to_string(ran.path()).unwrap(), agentmail_cli::SAMPLE.trim_end());
}

#[test]
fn a_listener_forwards_the_same_bytes_and_says_whether_the_target_responds() {
    use std::io::BufRead;

    let (_runtime, target) = receiver();
    let target = format!("http://{target}/agentmail/webhook");
    for (target, state, status) in [
        (target.as_str(), "the target responds: 405", "200"),
        ("http://127.0.0.1:1/", "the target does not respond", "502"),
    ] {
        let (child, address, mut messages) = listen(&["--forward", target, "--count", "1"]);
        let mut line = String::new();
        messages.read_line(&mut line).unwrap();
        assert!(line.contains(state), "{line}");
        // The receiver verifies what arrives, so a changed byte would be refused.
        let run = cli(&["send", &format!("http://{address}/")]).run();
        assert_eq!(run.stdout.trim(), status, "{run:?}");
        drop(messages);
        assert!(child.wait_with_output().unwrap().status.success());
    }
}

#[test]
fn the_sample_is_that_of_the_examples() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/sample.json");

    assert_eq!(fs::read_to_string(sample).unwrap(), agentmail_cli::SAMPLE);
}
