//! An app that has sqlx or diesel writes its effect, and the end of the message, in a transaction
//! of that library.
#![allow(clippy::unwrap_used, reason = "a failed test panics, and says why")]

use std::{
    env, fs,
    path::PathBuf,
    process,
    sync::{Arc, Mutex},
    time::Duration,
};

use agentmail_inbox::{
    BoxError, Inbox, InboxStore, Message, MessageKey, NewMessage, SqliteStore, State, Take,
    TakeToken, sql::SQLITE_FINISH,
};
use diesel::{Connection as _, RunQueryDsl, SqliteConnection, sql_types::BigInt};
use sqlx::{Executor, SqlitePool};

const BODY: &str = r#"{"type":"mail.bounced"}"#;

/// An inbox with one message, in a folder of its own.
async fn inbox(name: &str) -> (PathBuf, SqliteStore, Inbox) {
    let folder = env::temp_dir().join(format!("agentmail-neighbours-{}-{name}", process::id()));
    _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    let path = folder.join("inbox.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store
        .transaction(|transaction| {
            Ok(transaction.execute_batch("CREATE TABLE effects (kind TEXT)")?)
        })
        .await
        .unwrap();
    let inbox = Inbox::new(store.clone());
    let key = MessageKey::of_body(BODY.as_bytes());
    inbox.store_message(NewMessage::new(key, "mail.bounced", BODY)).await.unwrap();
    (path, store, inbox)
}

async fn effects(store: &SqliteStore) -> i64 {
    let count = "SELECT count(*) FROM effects";
    store
        .transaction(move |transaction| Ok(transaction.query_row(count, [], |row| row.get(0))?))
        .await
        .unwrap()
}

async fn state(inbox: &Inbox) -> Option<State> {
    let states = inbox.states(vec![MessageKey::of_body(BODY.as_bytes())]).await.unwrap();
    states.first().copied().flatten()
}

/// Lets another process take the message, because the lease has ended.
async fn pass_over(store: &SqliteStore) {
    let end = "UPDATE agentmail_inbox SET due_at = 0";
    store.transaction(move |transaction| Ok(transaction.execute(end, [])?)).await.unwrap();
    let take = Take::new(TakeToken::random(), 1, Duration::from_secs(60));
    assert_eq!(store.take(take).await.unwrap().len(), 1);
}

async fn with_sqlx(pool: &SqlitePool, message: &Message) -> Result<(), BoxError> {
    let mut transaction = pool.begin().await?;
    transaction.execute("INSERT INTO effects VALUES ('sqlx')").await?;
    let lease = message.lease();
    let finished = sqlx::query(SQLITE_FINISH)
        .bind(lease.id().get())
        .bind(lease.take())
        .execute(&mut *transaction)
        .await?;
    if finished.rows_affected() == 0 {
        return Err("another worker has the message".into()); // dropping it rolls it back
    }
    message.finished_elsewhere();
    Ok(transaction.commit().await?)
}

fn with_diesel(path: &str, message: &Message) -> Result<(), BoxError> {
    let mut connection = SqliteConnection::establish(path)?;
    let lease = message.lease();
    connection.transaction(|connection| {
        diesel::sql_query("INSERT INTO effects VALUES ('diesel')").execute(connection)?;
        let finished = diesel::sql_query(SQLITE_FINISH)
            .bind::<BigInt, _>(lease.id().get())
            .bind::<BigInt, _>(lease.take())
            .execute(connection)?;
        if finished == 0 {
            return Err(diesel::result::Error::RollbackTransaction);
        }
        message.finished_elsewhere();
        Ok(())
    })?;
    Ok(())
}

#[tokio::test]
async fn an_effect_through_sqlx_happens_once() {
    let (path, store, inbox) = inbox("sqlx").await;
    let pool = SqlitePool::connect(&format!("sqlite:{}", path.display())).await.unwrap();
    let is_late = Arc::new(Mutex::new(true));
    let worker = || {
        let (pool, store, is_late) = (pool.clone(), store.clone(), Arc::clone(&is_late));
        inbox.worker(move |message: Message| {
            let (pool, store, is_late) = (pool.clone(), store.clone(), Arc::clone(&is_late));
            async move {
                if std::mem::take(&mut *is_late.lock().unwrap()) {
                    pass_over(&store).await;
                }
                with_sqlx(&pool, &message).await
            }
        })
    };

    assert_eq!(worker().run_once().await.unwrap().lost, 1);
    assert_eq!((effects(&store).await, state(&inbox).await), (0, Some(State::Taken)));
    let end = "UPDATE agentmail_inbox SET due_at = 0";
    store.transaction(move |transaction| Ok(transaction.execute(end, [])?)).await.unwrap();
    assert_eq!(worker().run_once().await.unwrap().done, 1);
    assert_eq!((effects(&store).await, state(&inbox).await), (1, Some(State::Done)));
}

#[tokio::test]
async fn an_effect_through_diesel_happens_once() {
    let (path, store, inbox) = inbox("diesel").await;
    let path = path.to_str().unwrap().to_owned();
    let is_late = Arc::new(Mutex::new(true));
    let worker = || {
        let (path, store, is_late) = (path.clone(), store.clone(), Arc::clone(&is_late));
        inbox.worker(move |message: Message| {
            let (path, store, is_late) = (path.clone(), store.clone(), Arc::clone(&is_late));
            async move {
                if std::mem::take(&mut *is_late.lock().unwrap()) {
                    pass_over(&store).await;
                }
                with_diesel(&path, &message)
            }
        })
    };

    assert_eq!(worker().run_once().await.unwrap().lost, 1);
    assert_eq!((effects(&store).await, state(&inbox).await), (0, Some(State::Taken)));
    let end = "UPDATE agentmail_inbox SET due_at = 0";
    store.transaction(move |transaction| Ok(transaction.execute(end, [])?)).await.unwrap();
    assert_eq!(worker().run_once().await.unwrap().done, 1);
    assert_eq!((effects(&store).await, state(&inbox).await), (1, Some(State::Done)));
}
