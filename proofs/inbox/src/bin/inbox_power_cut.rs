//! Stores messages, and prints the key of each one that would have got 200, for `power_cut.py`.
//!
//! ```sh
//! inbox_power_cut store inbox|off|normal FILE MESSAGES
//! inbox_power_cut list FILE
//! ```
//!
//! `off` and `normal` are controls: the same table, written with less durable settings of SQLite.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "it is read by a script")]

use std::{
    env,
    error::Error,
    io::{Write, stdout},
};

use agentmail_inbox::{
    Filter, Finish, InboxStore, MessageKey, NewMessage, Outcome, Page, SqliteStore, Take,
    TakeToken, rusqlite::Connection,
};
use tokio::task::JoinSet;

type BoxError = Box<dyn Error + Send + Sync>;

/// How many deliveries wait at the same time.
const AT_ONCE: u32 = 16;

fn message(number: u32) -> NewMessage {
    let body = format!("{number} {}", "x".repeat(usize::try_from(number % 3_000).unwrap_or(0)));
    NewMessage::new(MessageKey::of_body(&number.to_be_bytes()), "mail.received", body)
        .with_agent_id("agent")
}

/// Prints in one write, so that the shim sees one acknowledgement.
fn acknowledge(key: MessageKey) -> Result<(), BoxError> {
    let mut stdout = stdout().lock();
    stdout.write_all(format!("{key}\n").as_bytes())?;
    Ok(stdout.flush()?)
}

/// Stores messages while a worker takes and finishes some of them.
async fn store(path: &str, messages: u32) -> Result<(), BoxError> {
    let store = SqliteStore::open(path).await?;
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let store = store.clone();
        tasks.spawn(async move {
            let mut number = first;
            while number < messages {
                let new = message(number);
                let key = new.key();
                store.store(vec![new]).await?.remove(0)?;
                acknowledge(key)?;
                if number.is_multiple_of(5) {
                    let take = Take::new(TakeToken::random(), 2, std::time::Duration::from_secs(9));
                    let taken = store.take(take).await?;
                    let done = |lease| Finish::new(lease, Outcome::Done);
                    store.finish(taken.iter().map(|taken| done(taken.lease())).collect()).await?;
                }
                number = number.saturating_add(AT_ONCE);
            }
            Ok::<(), BoxError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Stores messages with another setting of `synchronous`.
async fn control(path: &str, setting: &str, messages: u32) -> Result<(), BoxError> {
    // Creates the tables.
    drop(SqliteStore::open(path).await?);
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", setting)?;
    let mut insert = connection.prepare(
        "INSERT INTO agentmail_inbox (message_key, due_at, received_at, fresh_for, kind, body)
         VALUES (?1, 0, 0, 0, 'mail.received', ?2)",
    )?;
    for number in 0..messages {
        let new = message(number);
        insert.execute((new.key().as_bytes(), &new.body()[..]))?;
        acknowledge(new.key())?;
    }
    Ok(())
}

/// Prints the keys that a store finds in a file.
async fn list(path: &str) -> Result<(), BoxError> {
    let store = SqliteStore::open(path).await?;
    let mut page = Page::first(1_000);
    loop {
        let rows = store.list(Filter::new(), page).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        for row in &rows {
            println!("{}", row.key.ok_or("a row cannot be read")?);
        }
        page = page.after(last.id);
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BoxError> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["store", "inbox", path, messages] => store(path, messages.parse()?).await,
        ["store", setting @ ("off" | "normal"), path, messages] => {
            control(path, setting, messages.parse()?).await
        }
        ["list", path] => list(path).await,
        _ => Err("usage: inbox_power_cut store inbox|off|normal FILE MESSAGES | list FILE".into()),
    }
}
