//! Messages that wait at the same time share a transaction, and a lone message does not wait.
#![expect(clippy::unwrap_used, reason = "a failed test panics, and says why")]

mod folder;

use std::sync::atomic::{AtomicU32, Ordering};

use agentmail_inbox::{
    Inbox, MessageKey, NewMessage, SqliteStore, Stored, testing::on_fault_point,
};

use self::folder::Folder;

static COMMITS: AtomicU32 = AtomicU32::new(0);

fn message(id: u32) -> NewMessage {
    let body = format!(r#"{{"type":"mail.bounced","id":{id},"x":"{}"}}"#, "x".repeat(500));
    NewMessage::new(MessageKey::of_body(body.as_bytes()), "mail.bounced", body)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_64_waiting_eight_messages_or_more_share_a_sync() {
    const SENDERS: u32 = 64;
    const EACH: u32 = 50;
    on_fault_point(|name| {
        if name == "sqlite.commit.after" {
            COMMITS.fetch_add(1, Ordering::Relaxed);
        }
    });
    let folder = Folder::new();
    let inbox = Inbox::new(SqliteStore::open(folder.path("inbox.db")).await.unwrap());

    for id in 0..20 {
        assert_eq!(inbox.store_message(message(1_000_000 + id)).await.unwrap(), Stored::New);
    }
    assert_eq!(COMMITS.swap(0, Ordering::Relaxed), 20, "a lone message is written at once");
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let inbox = inbox.clone();
            tokio::spawn(async move {
                for id in 0..EACH {
                    let message = message(sender * EACH + id);
                    assert_eq!(inbox.store_message(message).await.unwrap(), Stored::New);
                }
            })
        })
        .collect();
    for sender in senders {
        sender.await.unwrap();
    }

    let commits = COMMITS.load(Ordering::Relaxed);
    assert!(commits * 8 <= SENDERS * EACH, "{commits} transactions");
    assert_eq!(inbox.counts().await.unwrap().waiting, u64::from(SENDERS * EACH + 20));
}
