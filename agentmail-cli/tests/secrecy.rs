//! Runs the conformance table with everything on: logs at the lowest level, the reasons in the
//! responses, the diagnosis, and `explain`. Nothing that is written contains a secret, an expected
//! MAC, or the sender or subject of a mail.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a failed test panics")]

#[path = "../../proofs/conformance/tests/table/actix.rs"]
mod actix;
#[path = "../../proofs/conformance/tests/table/axum.rs"]
mod axum;
#[allow(dead_code, reason = "the table uses all of it")]
#[path = "../../proofs/conformance/tests/table/case.rs"]
mod case;

use std::{
    fs, io,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use agentmail_verify::{Signer, UnixTime};
use case::Case;
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

const CLI: &str = env!("CARGO_BIN_EXE_agentmail-webhook");

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *self.0.lock().unwrap())).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What must not be written, with its name.
fn forbidden(case: &Case) -> Vec<(&'static str, String)> {
    let body = case.frames().concat();
    let mut texts = Vec::new();
    for text in case.texts() {
        let signer = Signer::new(text.secret().unwrap());
        let header = |name: &str| {
            let named = case.headers().find(|(other, _)| other.eq_ignore_ascii_case(name));
            named.map(|(_, value)| String::from_utf8_lossy(&value).into_owned())
        };
        let secs = header("x-agentmail-timestamp").and_then(|time| time.parse().ok());
        if let Some(secs) = secs {
            let signed = signer.sign(UnixTime::from_secs(secs), &body);
            texts.push(("an expected MAC", signed.signature()[3..].to_owned()));
        }
    }
    for text in ["whsec_", "secret of", "not the secret", "hello"] {
        texts.push(("a secret or a subject", text.to_owned()));
    }
    let payload: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    for name in ["sender", "subject"] {
        let text = payload.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        if text.len() > 4 {
            texts.push((name, text.to_owned()));
        }
    }
    texts
}

/// Explains the request of a case, in both forms of output.
fn explained(case: &Case, secret: &str) -> String {
    let mut request = b"POST / HTTP/1.1\r\n".to_vec();
    for (name, value) in case.headers() {
        request.extend_from_slice(name.as_bytes());
        request.extend_from_slice(b": ");
        request.extend(value);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request.extend(case.frames().concat());
    let name = format!("agentmail-secrecy-{}", std::process::id());
    let file = std::env::temp_dir().join(name);
    fs::write(&file, request).unwrap();
    let mut printed = String::new();
    for form in [&[][..], &["--json"]] {
        let output = Command::new(CLI)
            .args(form)
            .args(["explain", "--budget", "1", "--at", &case.now().as_secs().to_string()])
            .arg(&file)
            .env("WEBHOOK_SIGNING_SECRET", secret)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        printed += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
    }
    fs::remove_file(file).unwrap();
    printed
}

#[test]
fn nothing_that_is_written_contains_a_secret_a_mac_or_the_text_of_a_mail() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let (mut bytes, mut diagnosed, mut explained_bytes) = (0, 0, 0);

    actix_web::rt::System::new().block_on(async {
        tokio::time::pause();
        for mut case in case::load() {
            case.is_diagnosed = true;
            let mut written = String::new();
            for response in [
                axum::layer(&case).await,
                axum::extractor(&case).await,
                actix::middleware(&case).await,
                actix::extractor(&case).await,
            ] {
                // A diagnosis changes no decision.
                assert_eq!(response.status, case.expected().status, "{}", case.name);
                written += &response.body;
            }
            written += &log.take();
            diagnosed += usize::from(written.contains("\"diagnosis\""));
            for (_, secret) in case.secrets() {
                let explained = explained(&case, &String::from_utf8(secret).unwrap());
                explained_bytes += explained.len();
                written += &explained;
            }
            bytes += written.len();
            for (what, text) in forbidden(&case) {
                let at = written.find(&text);
                let near = at.map(|at| &written[at.saturating_sub(200)..at + text.len()]);
                assert_eq!(near, None, "{}: {what}: {text:?}", case.name);
            }
        }
    });

    println!("{bytes} bytes were searched, {explained_bytes} of them of `explain`");
    println!("{diagnosed} cases were diagnosed");
    assert!(bytes > 500_000 && explained_bytes > 200_000 && diagnosed > 150, "{diagnosed}");
}
