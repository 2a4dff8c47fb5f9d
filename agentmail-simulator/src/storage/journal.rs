use tokio::sync::{mpsc, oneshot};

use crate::{error::Problem, storage::Change};

/// Changes that are written in one transaction.
#[derive(Debug)]
#[cfg_attr(not(feature = "data"), expect(dead_code, reason = "only a file reads the fields"))]
pub(crate) struct Batch {
    pub(crate) changes: Vec<Change>,
    pub(crate) written: oneshot::Sender<Result<(), String>>,
}

/// The way to the thread that writes the file.
#[derive(Debug)]
pub(crate) struct Journal {
    batches: mpsc::UnboundedSender<Batch>,
    /// Is closed when the thread has closed the file.
    ended: oneshot::Receiver<()>,
}

impl Journal {
    #[cfg(feature = "data")]
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Batch>, oneshot::Sender<()>) {
        let (batches, receiver) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        (Self { batches, ended }, receiver, end)
    }

    /// Hands over changes. Called while the state is locked, so that the file has their order.
    pub(crate) fn send(&self, changes: Vec<Change>) -> Ack {
        let (written, ack) = oneshot::channel();
        // The thread has ended if this fails: then `written` is dropped, and the wait fails.
        _ = self.batches.send(Batch { changes, written });
        Ack(Some(ack))
    }

    /// Waits until everything is written, and the file is closed.
    pub(crate) async fn close(self) {
        drop(self.batches);
        // The thread drops its end, which is the expected error.
        _ = self.ended.await;
    }
}

/// Waits until changes are in the file.
#[derive(Debug)]
#[must_use]
pub(crate) struct Ack(Option<oneshot::Receiver<Result<(), String>>>);

impl Ack {
    /// There is no file to wait for.
    pub(crate) const NONE: Self = Self(None);

    pub(crate) async fn written(self) -> Result<(), Problem> {
        let Some(ack) = self.0 else { return Ok(()) };
        match ack.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(Problem::unavailable(format!("the data file cannot be written: {error}")))
            }
            Err(_) => Err(Problem::unavailable("the data file is closed")),
        }
    }
}
