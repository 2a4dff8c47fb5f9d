//! An inbox and an export of a queue are compared line by line.
#![expect(clippy::unwrap_used, reason = "a failed test panics, and says why")]

use agentmail_inbox::{
    BoxError, Discrepancy, DiscrepancyKind, GiveUp, Inbox, Message, MessageKey, NewMessage,
    ReconcileError, testing::MemoryStore,
};

fn mail(message_id: &str) -> String {
    format!(r#"{{"type":"mail.received","agent_id":"my-agent","message_id":"{message_id}"}}"#)
}

async fn inbox(stored: &[&str]) -> Inbox {
    let inbox = Inbox::new(MemoryStore::new());
    for body in stored {
        let key = MessageKey::of_payload(body.as_bytes());
        let message = NewMessage::new(key, "mail.received", (*body).to_owned());
        inbox.store_message(message).await.unwrap();
    }
    inbox
}

#[tokio::test]
async fn each_line_is_found_missing_dead_or_unreadable() {
    let inbox = inbox(&[&mail("1"), &mail("dead"), r#"{"type":"mail.bounced","id":1}"#]).await;
    let dead = MessageKey::of_mail("my-agent", "dead");
    let worker = inbox.worker(move |message: Message| async move {
        if message.key() == dead { Err(BoxError::from(GiveUp::because("no"))) } else { Ok(()) }
    });
    worker.run_once().await.unwrap();
    let export = [
        // The same message, with other bytes.
        mail("1").replace(':', " : ").into_bytes(),
        b"".to_vec(),
        mail("2\\n\\u0000").into_bytes(),
        b"not JSON: Quarterly".to_vec(),
        br#"{"type":"mail.bounced","id":1}"#.to_vec(),
        br#"{"type":"mail.bounced","id":2}"#.to_vec(),
        b"\xff".to_vec(),
        [mail("1").as_bytes(), b"\r"].concat(),
        mail("dead").into_bytes(),
        br#"{"type":"mail.received","agent_id":"my-agent"}"#.to_vec(),
        vec![b' '; 9_000_000],
        vec![b'['; 9_000_000],
    ];
    let mut found = Vec::new();

    let report = |discrepancy: Discrepancy| found.push(discrepancy);
    let reconciled = inbox.reconcile(&*export.join(&b'\n'), report).await.unwrap();

    let counts = (reconciled.found, reconciled.dead, reconciled.missing, reconciled.unreadable);
    assert_eq!(counts, (3, 1, 2, 4), "{found:#?}");
    assert!(!reconciled.is_complete());
    let mut unreadable = Vec::new();
    let mut missing = Vec::new();
    for Discrepancy { line, kind, .. } in &found {
        match kind {
            DiscrepancyKind::Missing { message_id, .. } => {
                missing.push((*line, message_id.as_deref()));
            }
            DiscrepancyKind::Unreadable(reason) => {
                assert!(!reason.contains("Quarterly"), "it quotes nothing: {reason}");
                unreadable.push(*line);
            }
            DiscrepancyKind::Dead { key, .. } => assert_eq!((*line, *key), (9, dead)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(missing, [(3, Some("2\\n\\u{0}")), (6, None)]);
    assert_eq!(unreadable, [4, 7, 10, 12]);
}

#[tokio::test]
async fn a_long_export_is_compared_in_batches() {
    let stored: Vec<_> = (0..700).map(|id| mail(&id.to_string())).collect();
    let inbox = inbox(&stored.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let complete = stored.join("\n");

    let nothing = |discrepancy| panic!("{discrepancy:?}");
    let reconciled = inbox.reconcile(complete.as_bytes(), nothing).await.unwrap();
    assert!(reconciled.is_complete());
    assert_eq!(reconciled.found, 700);

    let mut lines = Vec::new();
    let one_more = format!("{complete}\n{}\n", mail("700"));
    let report = |discrepancy: Discrepancy| lines.push(discrepancy.line);
    let reconciled = inbox.reconcile(one_more.as_bytes(), report).await.unwrap();
    assert!(!reconciled.is_complete());
    assert_eq!(lines, [701]);
}

#[tokio::test]
async fn an_export_that_cannot_be_read_is_an_error() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is broken"))
        }
    }
    let inbox = inbox(&[]).await;

    let error = inbox.reconcile(std::io::BufReader::new(Broken), |_| {}).await.unwrap_err();

    assert!(matches!(error, ReconcileError::Read(_)), "{error:?}");
}
