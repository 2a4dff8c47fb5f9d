//! `send` as a user runs it, as a process over HTTP.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

use std::{
    env, fs,
    process::{self, Command, Output},
    sync::{Arc, Mutex},
};

use agentmail_axum::{MailReceived, Secret, Verified, Verifier, VerifyLayer};
use axum::{Router, routing::post};
use tokio::{net::TcpListener, runtime::Runtime};

const SECRET: &str = "whsec_of_this_test";
const SEND: &str = env!("CARGO_BIN_EXE_send");

fn send(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(SEND).env_remove("WEBHOOK_SIGNING_SECRET").args(arguments).output();
    let Output { status, stdout, stderr } = output.unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (status.success(), stdout, stderr)
}

#[test]
fn send_prints_the_response() {
    let handled = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&handled);
    let on_mail = async move |Verified(mail): Verified<MailReceived>| {
        record.lock().unwrap().push(mail.message_id);
    };
    let verify = VerifyLayer::new(Verifier::new(Secret::new(SECRET).unwrap()));
    let app: Router = Router::new().route("/agentmail/webhook", post(on_mail).route_layer(verify));
    let runtime = Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}/agentmail/webhook", listener.local_addr().unwrap());
    runtime.spawn(async { axum::serve(listener, app).await });
    let file = env::temp_dir().join(format!("agentmail-send-{}.json", process::id()));
    let body = r#"{"type":"mail.received","agent_id":"a","message_id":"from a file"}"#;
    fs::write(&file, body).unwrap();

    for (flags, status) in [
        (&[][..], 200),
        (&["--body", file.to_str().unwrap()], 200),
        (&["--forged"], 403),
        (&["--stale"], 403),
        (&["--unsigned"], 403),
    ] {
        let arguments = [&["--url", &url, "--secret", SECRET], flags].concat();
        let (ended_well, stdout, _) = send(&arguments);
        assert_eq!((ended_well, stdout), (status == 200, format!("{status} \n")), "{flags:?}");
    }

    fs::remove_file(file).unwrap();
    assert_eq!(*handled.lock().unwrap(), ["msg-abc123", "from a file"]);
}

#[test]
fn send_reports_what_it_cannot_do() {
    for (arguments, sentence) in [
        (&["--url", "http://127.0.0.1:1/"][..], "needed"),
        (&["--secret", ""], "the signing secret is empty"),
        (&["--secret", "s", "--body", "no/such/file"], "No such file"),
        (&["--secret", "s", "--url", "http://127.0.0.1:1/"], "refused"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        let (ended_well, stdout, stderr) = send(arguments);

        assert!(!ended_well, "{arguments:?}");
        assert_eq!(stdout, "", "{arguments:?}");
        assert!(stderr.contains(sentence), "{arguments:?}: {stderr}");
    }
}
