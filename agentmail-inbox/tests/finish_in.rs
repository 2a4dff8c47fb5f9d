//! Effects in the file of the inbox happen once.
#![expect(clippy::unwrap_used, reason = "a failed test panics, and says why")]

mod folder;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use agentmail_inbox::{
    BoxError, FinishError, Inbox, InboxStore, Message, MessageKey, NewMessage, SqliteStore, State,
    Take, TakeToken, rusqlite::Connection, sql::SQLITE_FINISH,
};

use self::folder::Folder;

struct Tested {
    folder: Folder,
    store: SqliteStore,
    inbox: Inbox,
}

impl Tested {
    /// An inbox with one message, and a table of the app in the same file.
    async fn new() -> Self {
        let folder = Folder::new();
        let store = SqliteStore::open(folder.path("inbox.db")).await.unwrap();
        let inbox = Inbox::new(store.clone());
        let body = r#"{"type":"mail.bounced"}"#;
        let message = NewMessage::new(MessageKey::of_body(body.as_bytes()), "mail.bounced", body);
        inbox.store_message(message).await.unwrap();
        let tested = Self { folder, store, inbox };
        tested.connect().execute("CREATE TABLE effects (kind TEXT)", []).unwrap();
        tested
    }

    fn path(&self) -> PathBuf {
        self.folder.path("inbox.db")
    }

    fn connect(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn effects(&self) -> u32 {
        let count = "SELECT count(*) FROM effects";
        self.connect().query_row(count, [], |row| row.get(0)).unwrap()
    }

    async fn state(&self) -> State {
        let body = br#"{"type":"mail.bounced"}"#;
        let states = self.inbox.states(vec![MessageKey::of_body(body)]).await.unwrap();
        states.first().copied().flatten().unwrap()
    }
}

/// Writes an effect and the end of the message in one transaction of the app.
fn effect(path: &PathBuf, message: &Message, commit: bool) -> Result<(), BoxError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    let transaction = connection.transaction()?;
    transaction.execute("INSERT INTO effects VALUES (?1)", [message.event().kind()])?;
    message.finish_in(&transaction)?;
    if commit {
        transaction.commit()?;
    }
    Ok(())
}

#[tokio::test]
async fn an_effect_on_a_connection_of_the_app_and_the_end_are_one_transaction() {
    let tested = Tested::new().await;
    let path = tested.path();
    let worker = tested.inbox.worker(move |message: Message| {
        let result = effect(&path, &message, true);
        async { result }
    });

    let tried = worker.run_once().await.unwrap();

    assert_eq!((tried.done, tested.effects()), (1, 1));
    assert_eq!(tested.state().await, State::Done);
}

#[tokio::test]
async fn a_transaction_that_is_not_committed_is_a_failure() {
    let tested = Tested::new().await;
    let path = tested.path();
    let worker = tested.inbox.worker(move |message: Message| {
        let result = effect(&path, &message, false);
        async { result }
    });

    let tried = worker.run_once().await.unwrap();

    assert_eq!((tried.done, tried.retried, tested.effects()), (0, 1, 0), "{tried:?}");
    assert_eq!(tested.state().await, State::Waiting);
}

#[tokio::test]
async fn an_effect_in_a_transaction_of_the_store_happens_with_the_end_or_not_at_all() {
    let tested = Tested::new().await;
    let store = tested.store.clone();
    let worker = || {
        let store = store.clone();
        tested
            .inbox
            .worker(move |message: Message| {
                let store = store.clone();
                async move {
                    store
                        .transaction(move |transaction| {
                            let kind = message.event().kind();
                            transaction.execute("INSERT INTO effects VALUES (?1)", [kind])?;
                            message.finish_in(transaction)?;
                            match message.attempt() {
                                1 => Err("after the effect".into()),
                                2 => panic!("this test panics"),
                                _ => Ok(()),
                            }
                        })
                        .await
                }
            })
            .with_backoff(agentmail_inbox::Backoff::new(Duration::ZERO, Duration::ZERO))
    };

    let tried = worker().run_once().await.unwrap();

    assert_eq!((tried.done, tried.retried, tested.effects()), (1, 2, 1), "{tried:?}");
    assert_eq!(tested.state().await, State::Done);
}

#[tokio::test]
async fn a_worker_that_is_late_cannot_commit_its_effect() {
    let tested = Tested::new().await;
    let path = tested.path();
    let errors = Arc::new(Mutex::new(Vec::new()));
    let (store, late) = (tested.store.clone(), Arc::clone(&errors));
    let worker = tested.inbox.worker(move |message: Message| {
        let (store, late, path) = (store.clone(), Arc::clone(&late), path.clone());
        async move {
            // Its lease ends, and another process takes the message.
            let end = "UPDATE agentmail_inbox SET due_at = 0";
            store.transaction(move |transaction| Ok(transaction.execute(end, [])?)).await?;
            let take = Take::new(TakeToken::random(), 1, Duration::from_secs(60));
            assert_eq!(store.take(take).await?.len(), 1);

            let error = effect(&path, &message, true).unwrap_err();
            late.lock().unwrap().push(error.to_string());
            Err::<(), _>(error)
        }
    });

    let tried = worker.run_once().await.unwrap();

    assert_eq!((tried.lost, tried.retried, tested.effects()), (1, 0, 0), "{tried:?}");
    assert_eq!(*errors.lock().unwrap(), [FinishError::Lost.to_string()]);
    assert_eq!(tested.state().await, State::Taken, "the other process has it");
}

#[tokio::test]
async fn the_statement_for_other_libraries_is_the_one_of_finish_in() {
    let tested = Tested::new().await;
    let path = tested.path();
    let worker = tested.inbox.worker(move |message: Message| {
        let finish = || -> Result<(), BoxError> {
            let connection = Connection::open(&path)?;
            let lease = message.lease();
            let rows = connection.execute(SQLITE_FINISH, (lease.id().get(), lease.take()))?;
            assert_eq!(rows, 1);
            let again = connection.execute(SQLITE_FINISH, (lease.id().get(), lease.take()))?;
            assert_eq!(again, 0, "it is done");
            message.finished_elsewhere();
            Ok(())
        };
        let result = finish();
        async { result }
    });

    assert_eq!(worker.run_once().await.unwrap().done, 1);
    assert_eq!(tested.state().await, State::Done);
}
