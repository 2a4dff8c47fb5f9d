//! The steps of the vendor's guide in Python, over a stand-in for its client.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod support;

use std::{
    io::Write,
    process::{Command, Stdio},
};

use agentmail_simulator::Mail;
use support::{Endpoint, Got, simulator};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guide");

/// Verifies in Python.
fn verify(secret: &str, got: &Got) -> bool {
    let header = |name: &str| got.headers.get(name).unwrap().to_str().unwrap().to_owned();
    let mut python = Command::new("python3")
        .args(["verify.py", secret])
        .args([header("x-agentmail-timestamp"), header("x-agentmail-signature")])
        .current_dir(FOLDER)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(&got.body).unwrap();
    match python.wait().unwrap().code() {
        Some(0) => true,
        Some(3) => false,
        code => panic!("python3 exited with {code:?}"),
    }
}

#[tokio::test]
async fn the_steps_of_the_guide_work_in_python() {
    let (simulator, endpoint) = (simulator().await, Endpoint::start([]).await);
    let mut python = Command::new("python3");
    python
        .arg("steps.py")
        .current_dir(FOLDER)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AGENTMAIL_URL", simulator.url())
        .env("AGENTMAIL_TOKEN", "token")
        .env("WEBHOOK_URL", &endpoint.url);
    let output = tokio::task::spawn_blocking(move || python.output().unwrap()).await.unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");

    let out = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = out.lines().filter(|line| !line.starts_with("secret ")).collect();
    assert_eq!(lines, ["shown ['enabled', 'url'] True True", "rotated True", "rules 200 True"]);
    let secrets: Vec<_> = out.lines().filter_map(|line| line.strip_prefix("secret ")).collect();

    let agent = simulator.agent("my-agent").await.unwrap();
    let mail = agent.receive(Mail::new("user@example.com")).await.unwrap();
    mail.delivery().await.unwrap();

    let got = &endpoint.got()[0];
    assert!(verify(secrets[1], got), "the new secret");
    assert!(!verify(secrets[0], got), "the old secret");
    assert_eq!(agent.recipients(mail.message_id()), ["ops@example.com"]);
}
