//! `inbox`, on a file that a receiver uses at the same time.
#![expect(clippy::unwrap_used, reason = "a failed test panics")]

mod common;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use agentmail_inbox::State;
use common::{CLI, inbox};

/// A folder that is removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("agentmail-cli-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn db(&self) -> PathBuf {
        self.0.join("inbox.db")
    }

    fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(CLI)
            .arg("inbox")
            .args(arguments)
            .current_dir(&self.0)
            .env_remove("INBOX")
            .env("USER", "an operator")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.code().unwrap(), stdout, stderr)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_dead_message_is_found_shown_and_redriven_while_the_receiver_runs() {
    let folder = Folder::new("redrive");
    let inbox = inbox(&folder.db()).await;

    let (code, stdout, _) = folder.run(&["stats"]);
    assert_eq!((code, stdout.contains("dead: 1") && stdout.contains("done: 1")), (0, true));
    let (_, stdout, _) = folder.run(&["list", "--state", "dead", "--json"]);
    let row: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(row["message_id"], "msg-2");
    assert_eq!(row["reason"], "the calendar is not reachable");
    let id = row["id"].to_string();

    let (_, stdout, _) = folder.run(&["show", &id]);
    assert!(stdout.contains(r#""subject":"(4 bytes)""#), "{stdout}");
    assert!(!stdout.contains("hush") && !stdout.contains("eve@"), "{stdout}");
    let (_, stdout, _) = folder.run(&["show", &id, "--unmasked"]);
    assert!(stdout.contains("hush"), "{stdout}");

    let (code, stdout, _) = folder.run(&["redrive", "--id", &id]);
    assert_eq!((code, stdout.as_str()), (0, "redriven: 1\n"));
    let counts = inbox.counts().await.unwrap();
    assert_eq!((counts.of(State::Dead), counts.of(State::Waiting)), (0, 2));
    let (_, stdout, _) = folder.run(&["list", "--json"]);
    assert!(stdout.contains(r#""redriven_by":"an operator""#), "{stdout}");

    let (code, stdout, _) = folder.run(&["give-up", "--id", &id, "--reason", "not needed"]);
    assert_eq!((code, stdout.as_str()), (0, "given up: 1\n"));
    let (code, stdout, _) = folder.run(&["prune", "--dead-days", "90"]);
    assert_eq!((code, stdout.as_str()), (0, "deleted: 0\n"));
}

#[tokio::test]
async fn reconcile_prints_what_the_inbox_does_not_have() {
    let folder = Folder::new("reconcile");
    let _inbox = inbox(&folder.db()).await;
    let line =
        |id| format!(r#"{{"type":"mail.received","agent_id":"my-agent","message_id":"{id}"}}"#);
    let lines = [line("msg-1"), line("msg-2"), line("msg-9"), "no event".to_owned()];
    fs::write(folder.0.join("queue.jsonl"), lines.join("\n")).unwrap();

    let (code, stdout, stderr) = folder.run(&["reconcile", "queue.jsonl"]);

    assert_eq!(code, 1, "{stdout}{stderr}");
    assert!(stdout.contains("line 2: dead"), "{stdout}");
    assert!(stdout.contains("line 3: missing") && stdout.contains("msg-9"), "{stdout}");
    assert!(stdout.contains("line 4: unreadable"), "{stdout}");
    assert_eq!(stderr, "found 1, dead 1, missing 1, unreadable 1\n");
    fs::write(folder.0.join("queue.jsonl"), lines[..1].join("\n")).unwrap();
    assert_eq!(folder.run(&["reconcile", "queue.jsonl"]).0, 0);
}

#[tokio::test]
async fn a_message_that_is_done_is_redriven_only_by_its_state() {
    let folder = Folder::new("done");
    let inbox = inbox(&folder.db()).await;

    let (code, stdout, _) = folder.run(&["redrive", "--agent", "my-agent"]);
    assert_eq!((code, stdout.as_str()), (0, "redriven: 1\n"));
    assert_eq!(inbox.counts().await.unwrap().of(State::Done), 1);

    let (code, _, stderr) = folder.run(&["redrive", "--id", "1"]);
    assert_eq!((code, stderr.contains("message 1 is done")), (4, true), "{stderr}");
    let (code, stdout, _) = folder.run(&["redrive", "--id", "1", "--state", "done"]);
    assert_eq!((code, stdout.as_str()), (0, "redriven: 1\n"));
    assert_eq!(inbox.counts().await.unwrap().of(State::Done), 0);
}

#[tokio::test]
async fn what_cannot_be_done_has_a_reason_and_an_exit_code() {
    let folder = Folder::new("errors");
    let _inbox = inbox(&folder.db()).await;
    for (arguments, code, sentence) in [
        (&["list", "--db", "no-such.db"][..], 4, "no-such.db"),
        (&["show", "99"], 4, "no message 99"),
        (&["show", "msg-1"], 2, "expected the number"),
        (&["redrive"], 2, "say which messages"),
        (&["redrive", "--id", "99"], 4, "no message 99"),
        (&["give-up", "--id", "1", "--reason", "x"], 4, "message 1 is done"),
        (&["give-up", "--reason", "x"], 2, "say which messages"),
        (&["give-up", "--id", "1"], 2, "--reason"),
        (&["list", "--state", "dying"], 2, "dying"),
        (&["reconcile", "no-such.jsonl"], 4, "no-such.jsonl"),
    ] {
        let (found, stdout, stderr) = folder.run(arguments);
        assert_eq!(found, code, "{arguments:?}: {stdout}{stderr}");
        assert!(stderr.contains(sentence) && stdout.is_empty(), "{arguments:?}: {stderr}");
    }
    assert!(!folder.0.join("no-such.db").exists());
}
