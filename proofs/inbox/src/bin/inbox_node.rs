//! A receiver that stores messages and works on them. The proofs run it, and kill it.
//!
//! | variable | what it sets |
//! | --- | --- |
//! | `STORE` | the path of a SQLite file, or the address of a PostgreSQL server |
//! | `LISTEN` | the address |
//! | `EFFECTS` | a file: each attempt adds the key of the message and the id of the process |
//!
//! Without `EFFECTS`, the effect is a row in the database of the inbox, in the transaction that
//! records the message as done.
#![forbid(unsafe_code)]

use std::{env, fs::File, io::Write, process, sync::Arc, time::Duration};

use agentmail_axum::{Delivery, Secret, Verifier, VerifyLayer, WebhookRejection};
use agentmail_inbox::{
    Backoff, BoxError, Inbox, Message, PostgresConfig, SqliteStore, Stored, Worker,
};
use agentmail_inbox_proofs::sender::SECRET;
use axum::{Router, extract::State, routing::post};
use deadpool_postgres::{Manager, Pool};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time,
};
use tokio_postgres::NoTls;

/// Short, so that the messages of a killed process are tried again soon.
const LEASE: Duration = Duration::from_secs(2);
const POOL: usize = 4;

async fn on_delivery(
    State(inbox): State<Inbox>,
    delivery: Delivery,
) -> Result<(), WebhookRejection> {
    let _: Stored = inbox.store(&delivery).await?;
    Ok(())
}

/// Lets the work for some messages take longer than a third of the lease, which is then renewed.
async fn delay(message: &Message) {
    if let [0 | 1, ..] = message.key().as_bytes() {
        time::sleep(LEASE / 2).await;
    }
}

/// Adds a line in one write.
fn add_line(mut file: &File, message: &Message) -> Result<(), BoxError> {
    let line = format!("{} {}\n", message.key(), process::id());
    Ok(file.write_all(line.as_bytes())?)
}

async fn on_sqlite(path: &str, effects: Option<Arc<File>>) -> Result<(Inbox, Worker), BoxError> {
    let store = SqliteStore::open(path).await?;
    let create = "CREATE TABLE IF NOT EXISTS effects (message_key TEXT NOT NULL)";
    store.transaction(move |transaction| Ok(transaction.execute(create, [])?)).await?;
    let inbox = Inbox::new(store.clone());
    let worker = inbox.worker(move |message: Message| {
        let (store, effects) = (store.clone(), effects.clone());
        async move {
            delay(&message).await;
            if let Some(file) = effects {
                return add_line(&file, &message);
            }
            let effect = move |transaction: &agentmail_inbox::rusqlite::Transaction<'_>| {
                let insert = "INSERT INTO effects (message_key) VALUES (?1)";
                transaction.prepare_cached(insert)?.execute([message.key().to_string()])?;
                Ok(message.finish_in(transaction)?)
            };
            store.transaction(effect).await
        }
    });
    Ok((inbox, worker))
}

async fn on_postgres(url: &str, effects: Option<Arc<File>>) -> Result<(Inbox, Worker), BoxError> {
    let store = PostgresConfig::new(url)?.with_deadline(Duration::from_secs(1)).connect().await?;
    let inbox = Inbox::new(store);
    let pool = Pool::builder(Manager::new(url.parse()?, NoTls)).max_size(POOL).build()?;
    if effects.is_none() {
        // It fails if another process creates the table at the same time.
        let create = "CREATE TABLE IF NOT EXISTS effects (message_key text NOT NULL)";
        _ = pool.get().await?.batch_execute(create).await;
    }
    let worker = inbox.worker(move |message: Message| {
        let (pool, effects) = (pool.clone(), effects.clone());
        async move {
            delay(&message).await;
            if let Some(file) = effects {
                return add_line(&file, &message);
            }
            let mut client = pool.get().await?;
            let transaction = client.transaction().await?;
            let insert = "INSERT INTO effects (message_key) VALUES ($1)";
            let insert = transaction.prepare_cached(insert).await?;
            transaction.execute(&insert, &[&message.key().to_string()]).await?;
            message.finish_in(&*transaction).await?;
            transaction.commit().await?;
            Ok::<(), BoxError>(())
        }
    });
    Ok((inbox, worker))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BoxError> {
    let store = env::var("STORE")?;
    let effects = match env::var_os("EFFECTS") {
        Some(path) => Some(Arc::new(File::options().create(true).append(true).open(path)?)),
        None => None,
    };
    let (inbox, worker) = if store.starts_with("postgres://") {
        on_postgres(&store, effects).await?
    } else {
        on_sqlite(&store, effects).await?
    };
    let workers = worker
        .with_lease(LEASE)
        .with_time_limit(Duration::from_secs(3))
        .with_poll_interval(Duration::from_millis(100))
        .with_attempts(1_000)
        .with_backoff(Backoff::new(Duration::from_millis(50), Duration::from_millis(500)))
        .spawn();

    let verify = VerifyLayer::new(Verifier::new(Secret::new(SECRET)?));
    let app = Router::new()
        .route("/agentmail/webhook", post(on_delivery).route_layer(verify))
        .with_state(inbox);
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(env::var("LISTEN")?).await?;
    agentmail_axum::serve(listener, app)
        .with_graceful_shutdown(async move { _ = terminate.recv().await })
        .await?;
    _ = workers.drain(Duration::from_secs(10)).await;
    Ok(())
}
