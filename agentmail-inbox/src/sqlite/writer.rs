use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{Notify, oneshot};

use crate::{
    fault,
    sqlite::{
        call::{Call, Operation, Statements, Waiting},
        clock::StoreClock,
        config::SqliteConfig,
        error::SqliteError,
        open::{Database, Owner},
        place::Place,
    },
    store::BoxError,
};

/// How many calls share one transaction at most.
const BATCH: usize = 256;
/// The time of the last write is saved at most this often, in milliseconds.
const CLOCK_PRECISION: i64 = 1_000;

/// The thread that writes. Everything that waits shares one transaction, and one sync of the disk.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    waiting: Arc<Waiting>,
    thread: Option<JoinHandle<()>>,
}

enum Job {
    /// May share a transaction.
    Shared(Box<dyn Operation>),
    /// Has a transaction of its own.
    Alone(Box<dyn FnOnce(&mut Writing) + Send>),
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(database: Writing, config: &SqliteConfig) -> Result<Self, SqliteError> {
        let (jobs, received) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("agentmail-inbox".to_owned())
            .spawn(move || database.run(&received))
            .map_err(|_| SqliteError::Closed)?;
        let waiting = Waiting::new(config);
        Ok(Self { jobs: Some(jobs), waiting, thread: Some(thread) })
    }

    /// Runs a call in a transaction that other calls share.
    ///
    /// # Errors
    ///
    /// The call failed, or too many messages wait. `messages` and `bytes` are what this one adds.
    pub(super) async fn call<S: Statements>(
        &self,
        statements: S,
        messages: usize,
        bytes: usize,
    ) -> Result<S::Output, SqliteError> {
        let load = self.waiting.load(messages, bytes)?;
        let (respond, response) = oneshot::channel();
        let call = Call { statements, output: None, respond, _load: load };
        self.send(Job::Shared(Box::new(call)))?;
        response.await.map_err(|_| SqliteError::Closed)?
    }

    /// Runs a closure in a transaction of its own, which is committed if the closure succeeds.
    pub(super) async fn transaction<T, F>(&self, run: F) -> Result<T, BoxError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, BoxError> + Send + 'static,
    {
        let (respond, response) = oneshot::channel();
        let alone = move |writing: &mut Writing| {
            let result = panic::catch_unwind(AssertUnwindSafe(|| -> Result<T, BoxError> {
                let now = writing.clock.now();
                let transaction =
                    writing.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let before = changes(&transaction)?;
                let output = run(&transaction)?;
                save_clock(&transaction, before, now, &mut writing.clock_saved_at)?;
                transaction.commit()?;
                Ok(output)
            }));
            let panicked = |_: Box<dyn Any + Send>| Err("the transaction panicked".into());
            // The caller may have gone away.
            _ = respond.send(result.unwrap_or_else(panicked));
        };
        self.send(Job::Alone(Box::new(alone)))?;
        response.await.map_err(|_| SqliteError::Closed)?
    }

    fn send(&self, job: Job) -> Result<(), SqliteError> {
        let jobs = self.jobs.as_ref().ok_or(SqliteError::Closed)?;
        jobs.send(job).map_err(|_| SqliteError::Closed)
    }
}

/// Waits until everything is written, and the file can be opened again.
impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            _ = thread.join();
        }
    }
}

/// What the thread owns.
pub(super) struct Writing {
    connection: Connection,
    place: Place,
    clock: StoreClock,
    changed: Arc<Notify>,
    clock_saved_at: i64,
    /// Unlocked when the thread ends.
    _owner: Option<Owner>,
}

impl Writing {
    /// Returns the connection that reads, and what the thread needs.
    pub(super) fn new(
        database: Database,
        clock: StoreClock,
        changed: Arc<Notify>,
    ) -> (Connection, Self) {
        let Database { writer, reader, place, owner } = database;
        // A clock was saved when the database was opened, or long ago.
        let writing =
            Self { connection: writer, place, clock, changed, clock_saved_at: 0, _owner: owner };
        (reader, writing)
    }

    fn run(mut self, jobs: &Receiver<Job>) {
        let mut next = jobs.recv().ok();
        while let Some(job) = next.take() {
            match job {
                Job::Alone(run) => run(&mut self),
                Job::Shared(first) => {
                    let mut batch = vec![first];
                    while batch.len() < BATCH {
                        match jobs.try_recv() {
                            Ok(Job::Shared(operation)) => batch.push(operation),
                            Ok(alone) => {
                                next = Some(alone);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.write(batch);
                }
            }
            next = next.or_else(|| jobs.recv().ok());
        }
    }

    /// Runs calls in one transaction. If one of them fails by itself, each has its own transaction.
    fn write(&mut self, mut batch: Vec<Box<dyn Operation>>) {
        let written = self.commit(&mut batch);
        match written {
            Err(error) if batch.len() > 1 && SqliteError::is_of_one_row(&error) => {
                for operation in batch {
                    self.write(vec![operation]);
                }
            }
            written => self.respond(batch, written.map_err(SqliteError::from)),
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn Operation>]) -> rusqlite::Result<()> {
        fault::point("sqlite.begin.before");
        let now = self.clock.now();
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        fault::point("sqlite.begin.after");
        let before = changes(&transaction)?;
        for operation in batch {
            let [point_before, point_after] = operation.points();
            fault::point(point_before);
            operation.run(&transaction, now)?;
            fault::point(point_after);
        }
        save_clock(&transaction, before, now, &mut self.clock_saved_at)?;
        fault::point("sqlite.commit.before");
        transaction.commit()?;
        fault::point("sqlite.commit.after");
        Ok(())
    }

    fn respond(&self, batch: Vec<Box<dyn Operation>>, written: Result<(), SqliteError>) {
        // After the commit and before the responses: a file that was lost earlier is seen.
        let stores = batch.iter().any(|operation| operation.stores());
        let lost = if stores { self.place.lost() } else { None };
        let stored = match (&written, lost) {
            (Ok(()), Some(path)) => Err(SqliteError::FileLost(path.to_owned())),
            _ => written.clone(),
        };
        fault::point("sqlite.respond.before");
        for operation in batch {
            let result = if operation.stores() { &stored } else { &written };
            operation.respond(result.clone());
        }
        if stores && written.is_ok() {
            self.changed.notify_one();
        }
        fault::point("sqlite.respond.after");
    }
}

/// Saves the time of a transaction that has changed something, unless it was saved a moment ago. A
/// transaction that changes nothing syncs nothing.
fn save_clock(
    transaction: &Transaction<'_>,
    changes_before: i64,
    now: i64,
    saved_at: &mut i64,
) -> rusqlite::Result<()> {
    let is_old = now.saturating_sub(*saved_at) >= CLOCK_PRECISION;
    if is_old && changes(transaction)? != changes_before {
        transaction
            .prepare_cached("UPDATE agentmail_inbox_clock SET written_at = ?1")?
            .execute([now])?;
        *saved_at = now;
    }
    Ok(())
}

/// Returns how many rows a connection has changed so far.
fn changes(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    transaction.prepare_cached("SELECT total_changes()")?.query_row([], |row| row.get(0))
}
