use std::{
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use agentmail_receive::MessageKey;
use agentmail_verify::{Event, PayloadError, from_json};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::{
    lease::{Lease, RowId},
    store::BoxError,
    take::Taken,
};

/// A message that your work gets: the event, the raw body, the attempt and the key.
///
/// A clone is cheap. `Debug` shows ids and the length of the body, not the body.
#[derive(Clone)]
pub struct Message {
    taken: Taken,
    event: Event,
    /// Whether a transaction of the work finishes the message.
    finished_in_transaction: Arc<AtomicBool>,
}

impl Message {
    /// # Errors
    ///
    /// The body is not an event.
    pub(crate) fn new(taken: Taken) -> Result<Self, PayloadError> {
        let event = from_json(taken.body())?;
        Ok(Self { taken, event, finished_in_transaction: Arc::default() })
    }

    /// Returns the event.
    ///
    /// The signature proves who sent the *event*. Sender, subject and ids may be text of the mail's
    /// author: check `sender_verified` before you act, and escape these texts in logs.
    #[must_use]
    pub const fn event(&self) -> &Event {
        &self.event
    }

    /// Returns the bytes that were signed.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        self.taken.body()
    }

    /// Parses the body into a type of your own.
    ///
    /// # Errors
    ///
    /// The body is not the JSON that `T` expects. The error quotes nothing of the mail.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        from_json(self.body())
    }

    /// Returns the number of this attempt. The first one, and the first one after a redrive, is 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.taken.attempt()
    }

    /// Returns the key that identifies the message, for example for an idempotency key of an API.
    #[must_use]
    pub const fn key(&self) -> MessageKey {
        self.taken.key()
    }

    /// Returns the number of the message in the inbox.
    #[must_use]
    pub const fn id(&self) -> RowId {
        self.taken.lease().id()
    }

    /// Returns the lease. Its [`id`](Lease::id) and [`take`](Lease::take) are the parameters of the
    /// statements in [`sql`](crate::sql).
    #[must_use]
    pub const fn lease(&self) -> Lease {
        self.taken.lease()
    }

    /// Returns the trace that was stored with the message.
    #[must_use]
    pub fn trace_parent(&self) -> Option<&str> {
        self.taken.trace_parent()
    }

    /// Records the message as done in a transaction of your own, so that an effect in the same
    /// database happens once.
    ///
    /// The transaction is one of `rusqlite` on the file of the inbox, or of `tokio-postgres` on the
    /// database of the inbox. With the latter, `await` the result. Write your effect, call this
    /// method, and commit. After a crash at any point, either both are in the database, or none is
    /// and the message is tried again.
    ///
    /// Return `Ok` from the work after the commit. The worker then records nothing else.
    ///
    /// # Errors
    ///
    /// - [`FinishError::Lost`]: another worker has the message. Roll back, and return the error.
    /// - [`FinishError::Database`]: the statement failed.
    pub fn finish_in<T: FinishTransaction>(&self, transaction: T) -> T::Output {
        self.finished_in_transaction.store(true, Ordering::Release);
        transaction.finish(self.lease())
    }

    /// Says that a statement of [`sql`](crate::sql) in a transaction of your own finishes the
    /// message. The worker then records nothing if the work returns `Ok`.
    ///
    /// [`finish_in`](Self::finish_in) calls it. Call it yourself if you use another library, such
    /// as sqlx or diesel.
    pub fn finished_elsewhere(&self) {
        self.finished_in_transaction.store(true, Ordering::Release);
    }

    /// Returns a flag that is true once a transaction of the work finishes the message.
    pub(crate) fn finished_in_transaction(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.finished_in_transaction)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id())
            .field("attempt", &self.attempt())
            .field("key", &self.key())
            .field("event", &self.event)
            .field("body_bytes", &self.body().len())
            .finish_non_exhaustive()
    }
}

/// A transaction that can record a message as done: for [`Message::finish_in`].
///
/// It is implemented for `&rusqlite::Transaction` and `&tokio_postgres::Transaction`.
pub trait FinishTransaction {
    /// `Result<(), FinishError>`, or a future of it.
    type Output;

    /// Records the message with this lease as done.
    fn finish(self, lease: Lease) -> Self::Output;
}

/// Why [`Message::finish_in`] has failed. Roll the transaction back.
#[derive(Debug)]
#[non_exhaustive]
pub enum FinishError {
    /// Another worker has taken the message, because the lease of this attempt ended. Or the
    /// message is already done.
    Lost,
    /// The statement failed.
    Database(BoxError),
}

impl fmt::Display for FinishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lost => "another attempt has the message: roll back the transaction",
            Self::Database(_) => "the message could not be recorded as done",
        })
    }
}

impl Error for FinishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Lost => None,
            Self::Database(error) => Some(&**error),
        }
    }
}
