use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;
use tokio_postgres::{Row, types::ToSql};

use super::{
    changes::Changes,
    connections::Connections,
    error::{PostgresError, PostgresErrorKind},
    rows,
    statements::{STORE, STORE_ONE},
};
use crate::{new_message::NewMessage, store::Stored, telemetry};

/// How many statements store at the same time.
const AT_ONCE: usize = 4;
/// The most messages in one statement.
const MOST: usize = 128;
/// The most bytes in one statement, unless one message has more.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// The most messages that wait.
const MOST_WAITING: usize = 4_096;
/// The most bytes that wait.
const MOST_BYTES_WAITING: usize = 64 * 1024 * 1024;

type Result<T> = std::result::Result<T, PostgresError>;

/// Stores everything that waits in one statement. There is no timer: a message that comes alone is
/// stored alone.
#[derive(Debug)]
pub(super) struct Batches {
    queue: Mutex<Queue>,
    connections: Connections,
    changes: Arc<Changes>,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    messages: usize,
    bytes: usize,
    writers: usize,
}

/// The messages of one call.
#[derive(Debug)]
struct Job {
    messages: Vec<NewMessage>,
    bytes: usize,
    stored: oneshot::Sender<Result<Vec<Result<Stored>>>>,
}

impl Batches {
    pub(super) fn new(connections: Connections, changes: Arc<Changes>) -> Self {
        Self { queue: Mutex::default(), connections, changes }
    }

    pub(super) async fn store(
        self: &Arc<Self>,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Result<Stored>>> {
        let (sender, stored) = oneshot::channel();
        let bytes = messages.iter().map(size).sum();
        if let Some(writer) = self.enqueue(Job { messages, bytes, stored: sender })? {
            // In a task of its own, because it also writes for others. The caller may give up.
            tokio::spawn(writer.write());
        }
        let stopped = |_| PostgresError::new(PostgresErrorKind::Other, "the runtime has stopped");
        stored.await.map_err(stopped)?
    }

    /// Adds a job. Returns a writer if one more may begin.
    fn enqueue(self: &Arc<Self>, job: Job) -> Result<Option<Writer>> {
        let mut queue = self.queue();
        if queue.messages >= MOST_WAITING || queue.bytes >= MOST_BYTES_WAITING {
            let detail = format!("{} messages wait to be stored", queue.messages);
            return Err(PostgresError::new(PostgresErrorKind::PoolExhausted, detail));
        }
        queue.messages = queue.messages.saturating_add(job.messages.len());
        queue.bytes = queue.bytes.saturating_add(job.bytes);
        queue.jobs.push_back(job);
        if queue.writers >= AT_ONCE {
            return Ok(None);
        }
        queue.writers = queue.writers.saturating_add(1);
        Ok(Some(Writer { batches: Arc::clone(self), is_counted: true }))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores messages. A message that fails by itself does not fail the others.
    async fn insert(&self, messages: &[&NewMessage]) -> Result<Vec<Result<Stored>>> {
        match self.insert_all(messages).await {
            Ok(stored) => Ok(stored.into_iter().map(Ok).collect()),
            Err(error) if error.is_of_value() => {
                let mut stored = Vec::with_capacity(messages.len());
                for message in messages {
                    match self.insert_all(&[message]).await {
                        Ok(one) => stored.extend(one.into_iter().map(Ok)),
                        Err(error) if error.is_of_value() => stored.push(Err(error)),
                        Err(error) => return Err(error),
                    }
                }
                Ok(stored)
            }
            Err(error) => Err(error),
        }
    }

    async fn insert_all(&self, messages: &[&NewMessage]) -> Result<Vec<Stored>> {
        let inserted = match messages {
            [message] => self.insert_one(message).await?,
            _ => self.insert_many(messages).await?,
        };
        let mut new: HashSet<_> = inserted.iter().filter_map(|row| rows::key(row, 0)).collect();
        if !new.is_empty() {
            self.changes.announce();
        }
        // Of two messages with one key, the first one is new.
        let stored = |key| if new.remove(&key) { Stored::New } else { Stored::Known };
        Ok(messages.iter().map(|message| message.key()).map(stored).collect())
    }

    async fn insert_one(&self, message: &NewMessage) -> Result<Vec<Row>> {
        let (key, body) = (message.key(), message.body());
        let (key, body) = (&key.as_bytes()[..], &body[..]);
        let agent = message.agent_key().map(|key| &key[..]);
        let parameters: [&(dyn ToSql + Sync); 8] = [
            &key,
            &message.kind(),
            &agent,
            &message.agent_id(),
            &message.message_id(),
            &body,
            &rows::seconds(message.fresh_for()),
            &message.trace_parent(),
        ];
        self.connections.query(STORE_ONE, &parameters).await
    }

    async fn insert_many(&self, messages: &[&NewMessage]) -> Result<Vec<Row>> {
        let keys: Vec<_> = messages.iter().map(|message| message.key()).collect();
        let key_bytes: Vec<&[u8]> = keys.iter().map(|key| &key.as_bytes()[..]).collect();
        let kinds: Vec<_> = messages.iter().map(|message| message.kind()).collect();
        let agents: Vec<Option<&[u8]>> =
            messages.iter().map(|message| message.agent_key().map(|key| &key[..])).collect();
        let agent_ids: Vec<_> = messages.iter().map(|message| message.agent_id()).collect();
        let message_ids: Vec<_> = messages.iter().map(|message| message.message_id()).collect();
        let bodies: Vec<&[u8]> = messages.iter().map(|message| &message.body()[..]).collect();
        let fresh_for: Vec<_> =
            messages.iter().map(|message| rows::seconds(message.fresh_for())).collect();
        let traces: Vec<_> = messages.iter().map(|message| message.trace_parent()).collect();
        let parameters: [&(dyn ToSql + Sync); 8] =
            [&key_bytes, &kinds, &agents, &agent_ids, &message_ids, &bodies, &fresh_for, &traces];
        self.connections.query(STORE, &parameters).await
    }
}

/// Stores batches until nothing waits.
struct Writer {
    batches: Arc<Batches>,
    /// Whether the queue counts it. Otherwise, it must not take jobs.
    is_counted: bool,
}

impl Writer {
    async fn write(mut self) {
        while let Some(jobs) = self.next() {
            let messages: Vec<_> = jobs.iter().flat_map(|job| &job.messages).collect();
            let mut stored = self.batches.insert(&messages).await.map(Vec::into_iter);
            for job in jobs {
                let own = match &mut stored {
                    Ok(all) => Ok(all.by_ref().take(job.messages.len()).collect()),
                    Err(error) => Err(error.clone()),
                };
                if let Err(Ok(_)) = job.stored.send(own) {
                    telemetry::stored_unseen();
                }
            }
        }
    }

    /// Returns the next jobs, without those whose caller has given up.
    fn next(&mut self) -> Option<Vec<Job>> {
        let mut queue = self.batches.queue();
        let (mut jobs, mut messages, mut bytes) = (Vec::new(), 0_usize, 0_usize);
        while messages < MOST
            && bytes < MOST_BYTES
            && let Some(job) = queue.jobs.pop_front()
        {
            queue.messages = queue.messages.saturating_sub(job.messages.len());
            queue.bytes = queue.bytes.saturating_sub(job.bytes);
            if !job.stored.is_closed() {
                messages = messages.saturating_add(job.messages.len());
                bytes = bytes.saturating_add(job.bytes);
                jobs.push(job);
            }
        }
        if jobs.is_empty() {
            // Under the same lock: a job that is added from now on gets a new writer.
            queue.writers = queue.writers.saturating_sub(1);
            drop(queue);
            self.is_counted = false;
            return None;
        }
        Some(jobs)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The runtime has stopped.
        if self.is_counted {
            let mut queue = self.batches.queue();
            queue.writers = queue.writers.saturating_sub(1);
        }
    }
}

fn size(message: &NewMessage) -> usize {
    /// The ids, the columns of numbers, and the map's own memory.
    const ROW: usize = 1_024;
    message.body().len().saturating_add(ROW)
}
