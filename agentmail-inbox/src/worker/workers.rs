use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle, time};

use crate::worker::shared::Record;

/// The tasks of a worker that [`Worker::spawn`](crate::Worker::spawn) has started.
///
/// If this is dropped, the tasks go on until the runtime ends.
#[derive(Debug)]
pub struct Workers {
    stop: watch::Sender<bool>,
    supervisor: JoinHandle<()>,
    record: Arc<Record>,
}

impl Workers {
    pub(crate) const fn new(
        stop: watch::Sender<bool>,
        supervisor: JoinHandle<()>,
        record: Arc<Record>,
    ) -> Self {
        Self { stop, supervisor, record }
    }

    /// Takes no more messages, and waits until the current ones are done and recorded, for at most
    /// `patience`. Call it when the server has ended.
    ///
    /// Work that takes longer goes on until the runtime ends. Its message is tried again when its
    /// lease has ended, as after a crash.
    pub async fn drain(self, patience: Duration) -> Drained {
        self.stop.send_replace(true);
        let ended = time::timeout(patience, self.supervisor).await;
        let unfinished = match ended {
            Ok(_) => 0,
            Err(_) => self.record.running(),
        };
        Drained { unfinished }
    }
}

/// The result of [`Workers::drain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many messages were still being worked on.
    pub unfinished: usize,
}

/// The result of [`Worker::run_once`](crate::Worker::run_once): how many attempts have ended in
/// which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tried {
    /// The work was done.
    pub done: u64,
    /// The work failed, and is tried again after a pause.
    pub retried: u64,
    /// The message is dead.
    pub dead: u64,
    /// Another worker had taken the message.
    pub lost: u64,
}
