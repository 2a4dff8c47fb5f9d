use std::{
    error::Error,
    fs::File,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use agentmail_axum::{Delivery, Event};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, named_params};
use tokio::{sync::Mutex, task};

use crate::{
    counts::Counts, database, error::InboxError, message::Message, place::Place, schedule::Schedule,
};

/// The messages on disk, from their arrival until long after their work is done.
///
/// Each write has reached the disk when its call returns. One process owns an inbox. A clone is a
/// reference count.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    connection: Arc<Mutex<Connection>>,
    place: Arc<Place>,
    /// Locked until the process ends.
    _owner: Arc<File>,
}

/// The outcome of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The work is done.
    Done,
    /// The work has failed. It is tried again after this pause.
    Failed { pause: Duration },
    /// The work has failed for the last time. The message is kept for an operator.
    Dead,
}

impl Inbox {
    /// Opens the inbox at this path, or creates it. A message whose attempt was cut off by a crash
    /// of the former owner is due again.
    ///
    /// # Errors
    ///
    /// Another process owns it, or it cannot be read, written or created.
    pub(crate) fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let open = || -> Result<_, Box<dyn Error>> {
            Ok((database::own(path)?, database::connect(path)?, Place::of(path)?))
        };
        let (owner, connection, place) =
            open().map_err(|error| format!("cannot open INBOX {}: {error}", path.display()))?;
        Ok(Self {
            connection: Arc::new(Mutex::new(connection)),
            place: Arc::new(place),
            _owner: Arc::new(owner),
        })
    }

    /// Stores a message unless it is stored already. Returns whether it is new.
    ///
    /// # Errors
    ///
    /// The database failed, or one of its files was removed, so that the message would be lost.
    pub(crate) async fn store(&self, event: Event, delivery: Delivery) -> Result<bool, InboxError> {
        let insert = self.call(move |connection| {
            let (agent_id, message_id) = match &event {
                Event::MailReceived(mail) => (Some(&mail.agent_id), Some(&mail.message_id)),
                _ => (None, None),
            };
            // One statement is one transaction.
            let inserted = connection.execute(
                "INSERT INTO inbox
                     (message_key, kind, agent_id, message_id, body, received_at, due_at)
                 VALUES (:message_key, :kind, :agent_id, :message_id, :body, :now, :now)
                 ON CONFLICT DO NOTHING",
                named_params! {
                    ":message_key": delivery.message_key().as_bytes(),
                    ":kind": event.kind(),
                    ":agent_id": agent_id,
                    ":message_id": message_id,
                    ":body": &delivery.body()[..],
                    ":now": now(),
                },
            )?;
            Ok(inserted == 1)
        });
        let is_new = insert.await?;
        // After the commit and before the response: a file that was lost earlier is seen.
        match self.place.lost() {
            Some(path) => Err(InboxError::FileLost(path.to_path_buf())),
            None => Ok(is_new),
        }
    }

    /// Takes the message that has been due for the longest time, if there is one.
    ///
    /// The attempt is counted, and the next one scheduled, *before* this one begins. A message that
    /// crashes the process is therefore dead after as many attempts as any other.
    pub(crate) async fn take(&self, schedule: Schedule) -> Result<Option<Message>, InboxError> {
        self.call(move |connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let next = transaction
                .prepare(
                    "SELECT id, attempts + 1, body FROM inbox
                     WHERE state = 'new' AND due_at <= ?1 ORDER BY due_at, id LIMIT 1",
                )?
                .query_row([now()], |row| {
                    Ok(Message { id: row.get(0)?, attempt: row.get(1)?, body: row.get(2)? })
                })
                .optional()?;
            let Some(message) = next else { return Ok(None) };
            transaction.execute(
                "UPDATE inbox SET state = 'running', attempts = ?2, due_at = ?3 WHERE id = ?1",
                (message.id, message.attempt, after(schedule.pause_after(message.attempt))),
            )?;
            transaction.commit()?;
            Ok(Some(message))
        })
        .await
    }

    /// Records the outcome of the attempt that [`take`](Self::take) began.
    pub(crate) async fn record(&self, id: i64, outcome: Outcome) -> Result<(), InboxError> {
        let (state, due_at) = match outcome {
            Outcome::Done => ("done", now()),
            Outcome::Failed { pause } => ("new", after(pause)),
            Outcome::Dead => ("dead", now()),
        };
        self.call(move |connection| {
            connection.execute(
                "UPDATE inbox SET state = ?2, due_at = ?3 WHERE id = ?1",
                (id, state, due_at),
            )
        })
        .await?;
        Ok(())
    }

    /// Forgets messages that are done and arrived longer ago than `age`. Returns how many. A copy
    /// that arrives afterwards is new.
    pub(crate) async fn forget(&self, age: Duration) -> Result<usize, InboxError> {
        let since = now().saturating_sub(milliseconds(age));
        self.call(move |connection| {
            connection
                .execute("DELETE FROM inbox WHERE state = 'done' AND received_at < ?1", [since])
        })
        .await
    }

    /// Counts the messages by their state.
    pub(crate) async fn counts(&self) -> Result<Counts, InboxError> {
        self.call(|connection| {
            connection.query_one(
                "SELECT count(*) FILTER (WHERE state = 'new'),
                        count(*) FILTER (WHERE state = 'running'),
                        count(*) FILTER (WHERE state = 'done'),
                        count(*) FILTER (WHERE state = 'dead') FROM inbox",
                [],
                |row| {
                    Ok(Counts {
                        new: row.get(0)?,
                        running: row.get(1)?,
                        done: row.get(2)?,
                        dead: row.get(3)?,
                    })
                },
            )
        })
        .await
    }

    /// Runs one query where it may block. A call that waits for another one holds no thread.
    async fn call<T, F>(&self, query: F) -> Result<T, InboxError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let mut connection = Arc::clone(&self.connection).lock_owned().await;
        Ok(task::spawn_blocking(move || query(&mut connection)).await??)
    }
}

/// Returns the time, in milliseconds since 1970.
fn now() -> i64 {
    milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn after(pause: Duration) -> i64 {
    now().saturating_add(milliseconds(pause))
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
