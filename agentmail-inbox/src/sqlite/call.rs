use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rusqlite::Transaction;
use tokio::sync::oneshot;

use crate::{
    sqlite::{config::SqliteConfig, error::SqliteError},
    telemetry,
};

/// A call that may be repeated, if the transaction that it shares fails.
pub(super) trait Operation: Send {
    fn run(&mut self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<()>;
    fn points(&self) -> [&'static str; 2];
    fn stores(&self) -> bool;
    fn respond(self: Box<Self>, result: Result<(), SqliteError>);
}

/// What a call does, and what it is called at its fault points.
pub(super) trait Statements: Send + 'static {
    type Output: Send + 'static;
    /// The fault points before and after its statements.
    const POINTS: [&'static str; 2];
    /// Whether it stores messages, which are counted while they wait.
    const STORES: bool = false;

    fn run(&mut self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<Self::Output>;
}

/// A call whose caller waits for the response.
pub(super) struct Call<S: Statements> {
    pub(super) statements: S,
    pub(super) output: Option<S::Output>,
    pub(super) respond: oneshot::Sender<Result<S::Output, SqliteError>>,
    pub(super) _load: Load,
}

/// Messages that wait to be written. They are counted until it is dropped.
pub(super) struct Load {
    waiting: Arc<Waiting>,
    messages: usize,
    bytes: usize,
}

/// How much waits to be written.
#[derive(Debug)]
pub(super) struct Waiting {
    messages: AtomicUsize,
    bytes: AtomicUsize,
    max_messages: usize,
    max_bytes: usize,
}

impl Waiting {
    pub(super) fn new(config: &SqliteConfig) -> Arc<Self> {
        Arc::new(Self {
            messages: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            max_messages: config.max_waiting,
            max_bytes: config.max_waiting_bytes,
        })
    }

    /// Counts messages that are to be written.
    ///
    /// # Errors
    ///
    /// Too many wait already.
    pub(super) fn load(
        self: &Arc<Self>,
        messages: usize,
        bytes: usize,
    ) -> Result<Load, SqliteError> {
        // The load counts itself, so that it gives back what it has taken, also if it is refused.
        let before = self.messages.fetch_add(messages, Ordering::Relaxed);
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let load = Load { waiting: Arc::clone(self), messages, bytes };
        let full = before.saturating_add(messages) > self.max_messages
            || (bytes_before > 0 && bytes_before.saturating_add(bytes) > self.max_bytes);
        if messages > 0 && full { Err(SqliteError::Busy) } else { Ok(load) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.waiting.messages.fetch_sub(self.messages, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl<S: Statements> Operation for Call<S> {
    fn run(&mut self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<()> {
        self.output = Some(self.statements.run(transaction, now)?);
        Ok(())
    }

    fn points(&self) -> [&'static str; 2] {
        S::POINTS
    }

    fn stores(&self) -> bool {
        S::STORES
    }

    fn respond(self: Box<Self>, result: Result<(), SqliteError>) {
        let Self { output, respond, .. } = *self;
        let response = result.and_then(|()| output.ok_or(SqliteError::Closed));
        let is_ok = response.is_ok();
        if respond.send(response).is_err() && is_ok && S::STORES {
            telemetry::stored_unseen();
        }
    }
}
