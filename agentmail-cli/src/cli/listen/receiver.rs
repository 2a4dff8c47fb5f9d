use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use agentmail_receive::{SecretText, diagnosis::DiagnosisBudget};
use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use serde::Serialize;

use super::{delivery::Arrived, forward::Forward};
use crate::cli::{
    explain::Verdict,
    output::{Output, plain},
};

/// What happens to each delivery.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) text: Option<SecretText>,
    pub(super) forward: Option<Forward>,
    pub(super) dir: Option<PathBuf>,
    pub(super) exec: Option<String>,
    pub(super) output: Output,
    pub(super) number: AtomicU64,
}

/// A delivery, as `--json` writes it.
#[derive(Serialize)]
struct Line<'a> {
    number: u64,
    received_at: u64,
    path: &'a str,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    forwarded: Option<u16>,
    status: u16,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

impl Receiver {
    /// 64 MiB: a fraction of a second.
    const BUDGET: DiagnosisBudget = DiagnosisBudget::from_bytes(64 << 20);

    /// Handles a delivery, and returns the response to it. It blocks.
    pub(super) fn handle(&self, arrived: &Arrived) -> Response<Body> {
        let number = self.number.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let request = arrived.to_request();
        let verdict = Verdict::of(&request, self.text.as_ref(), Vec::new(), Self::BUDGET);
        let file = self.dir.as_deref().and_then(|dir| self.keep(dir, number, arrived));
        let is_forwarded = |forward: &&Forward| verdict.is_verified() || !forward.verified_only;
        let forwarded = self.forward.as_ref().filter(is_forwarded).map(|forward| {
            forward.send(arrived).unwrap_or_else(|error| {
                self.output.note(&format!("the target does not respond: {error}"));
                status(StatusCode::BAD_GATEWAY)
            })
        });
        let forwarded_status = forwarded.as_ref().map(|response| response.status().as_u16());
        let response = forwarded.unwrap_or_else(|| match verdict.is_verified() {
            true => status(StatusCode::OK),
            false => status(StatusCode::FORBIDDEN),
        });
        let line = Line {
            number,
            received_at: arrived.received_at,
            path: arrived.uri.path(),
            bytes: arrived.body.len(),
            file: file.as_ref().map(|file| file.display().to_string()),
            forwarded: forwarded_status,
            status: response.status().as_u16(),
            verdict: &verdict,
        };
        self.print(&line);
        if verdict.is_verified() {
            self.run(arrived, file.as_deref());
        }
        response
    }

    fn keep(&self, dir: &Path, number: u64, arrived: &Arrived) -> Option<PathBuf> {
        let file = dir.join(format!("{}-{number}.json", arrived.received_at));
        let json = serde_json::to_vec_pretty(&arrived.to_capture()).unwrap_or_default();
        match fs::write(&file, json) {
            Ok(()) => Some(file),
            Err(error) => {
                self.output.note(&format!("{}: {error}", file.display()));
                None
            }
        }
    }

    fn print(&self, line: &Line<'_>) {
        if self.output.is_json() {
            return self.output.json(line);
        }
        let forwarded = line.forwarded.map(|status| format!(", forwarded: {status}"));
        self.output.line(&format!(
            "{} {} ({} bytes{}) {}",
            line.number,
            plain(line.path),
            line.bytes,
            forwarded.unwrap_or_default(),
            line.verdict.headline()
        ));
        if let Some(file) = &line.file {
            self.output.line(&format!("  file: {file}"));
        }
        line.verdict.print_causes(&self.output);
    }

    /// Runs the command for a delivery that verifies.
    fn run(&self, arrived: &Arrived, file: Option<&Path>) {
        let Some(command) = &self.exec else { return };
        let mut process = Command::new("sh");
        process.arg("-c").arg(command).stdin(Stdio::piped());
        // The command does not need the secret.
        process.env_remove(crate::cli::secret_args::VARIABLE);
        if let Some(file) = file {
            process.env("AGENTMAIL_CAPTURE", file);
        }
        let run = process.spawn().and_then(|mut child| {
            if let Some(mut stdin) = child.stdin.take() {
                // A command may end without reading its input.
                _ = stdin.write_all(&arrived.body);
            }
            child.wait()
        });
        match run {
            Ok(status) if status.success() => {}
            Ok(status) => self.output.note(&format!("the command ended with {status}")),
            Err(error) => self.output.note(&format!("the command cannot be run: {error}")),
        }
    }
}

pub(super) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
