//! A message that ends the process is dead after its attempts, and takes no other message with it.
#![expect(clippy::unwrap_used, reason = "a failed test panics, and says why")]

mod folder;

use std::{
    env,
    process::{self, Command},
};

use agentmail_inbox::{
    BoxError, Filter, Inbox, Message, MessageKey, NewMessage, Page, Row, SqliteStore, State,
};

use self::folder::Folder;

const FILE: &str = "AGENTMAIL_INBOX_OF_THIS_TEST";
const ATTEMPTS: u32 = 4;
/// More than fit into the slots of a worker.
const MESSAGES: u32 = 40;
const POISON: u32 = 3;

fn message(id: u32) -> NewMessage {
    let body = format!(r#"{{"type":"mail.bounced","id":{id}}}"#);
    NewMessage::new(MessageKey::of_body(body.as_bytes()), "mail.bounced", body)
}

/// The process: it works until nothing is due. One message aborts it.
#[tokio::main(flavor = "current_thread")]
async fn work(path: &str) {
    let inbox = Inbox::new(SqliteStore::open(path).await.unwrap());
    let worker = inbox.worker(async |message: Message| {
        if message.key() == self::message(POISON).key() {
            process::abort();
        }
        // Slower than the abort, so that the others are always in work when the process ends.
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        Ok::<_, BoxError>(())
    });
    let workers = worker.with_attempts(ATTEMPTS).spawn();
    loop {
        let counts = inbox.counts().await.unwrap();
        if counts.waiting + counts.taken == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    workers.drain(std::time::Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_message_that_aborts_the_process_is_dead_after_its_attempts_and_kills_no_other() {
    if let Ok(path) = env::var(FILE) {
        return std::thread::spawn(move || work(&path)).join().unwrap();
    }
    let folder = Folder::new();
    let path = folder.path("inbox.db");
    let inbox = Inbox::new(SqliteStore::open(&path).await.unwrap());
    for id in 0..MESSAGES {
        inbox.store_message(message(id)).await.unwrap();
    }
    drop(inbox);

    let mut aborts = 0;
    let test = "a_message_that_aborts_the_process_is_dead_after_its_attempts_and_kills_no_other";
    loop {
        let mut command = Command::new(env::current_exe().unwrap());
        let child = command.args(["--exact", test, "--nocapture"]).env(FILE, &path);
        if child.output().unwrap().status.success() {
            break;
        }
        aborts += 1;
        assert!(aborts <= ATTEMPTS, "it is dead after {ATTEMPTS} attempts");
    }

    assert_eq!(aborts, ATTEMPTS);
    let inbox = Inbox::new(SqliteStore::open(&path).await.unwrap());
    let rows = inbox.list(Filter::new(), Page::first(100)).await.unwrap();
    let (dead, done): (Vec<Row>, _) = rows.into_iter().partition(|row| row.state == State::Dead);
    let [dead] = &*dead else { panic!("one message is dead: {dead:#?}") };
    assert_eq!(dead.key, Some(message(POISON).key()));
    assert!(dead.reason.as_deref().unwrap().contains("cut off"), "{dead:?}");
    assert!(done.iter().all(|row| row.state == State::Done), "{done:#?}");
    let most = done.iter().map(|row| row.attempts).max().unwrap();
    assert!(most < ATTEMPTS, "no other message came near its last attempt: {most}");
}
