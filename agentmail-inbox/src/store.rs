use std::{error::Error, future, time::Duration};

use agentmail_receive::MessageKey;

use crate::{
    filter::Filter,
    lease::{Lease, LeaseState, RowId},
    new_message::NewMessage,
    outcome::Finish,
    row::{Row, RowBody},
    state::{Counts, State},
    take::{Take, Taken},
};

/// Where an inbox keeps its messages: SQLite, PostgreSQL, or a database of your own.
///
/// # The columns
///
/// A row has what [`NewMessage`] has, and:
///
/// | column | contents |
/// | --- | --- |
/// | `id` | a [`RowId`], in the order of arrival; never used again |
/// | `state` | a [`State`] |
/// | `due_at` | waiting: when the message is due; taken: when the lease ends; done, dead: when it reached this state |
/// | `attempts` | how many attempts have begun since the arrival or the last redrive |
/// | `takes` | how often the message was taken; it never decreases |
/// | `take_token` | taken: the [`TakeToken`](crate::TakeToken) of the last take; otherwise absent |
/// | `received_at` | when the message was stored |
/// | `reason` | the last error |
/// | `redrives`, `redriven_at`, `redriven_by` | how often, when and by whom the message was redriven |
///
/// A message is *due* if it is waiting or taken, and `due_at <= now` or
/// `due_at > now +` [`HORIZON`](crate::HORIZON). (In the latter case, the clock was set back.)
/// A due message that is taken is *interrupted*: its attempt had no outcome before its lease ended.
///
/// # The rules
///
/// - Each call is one atomic step, and is on disk when it returns `Ok`.
/// - A call may take a batch. The results are in the order of the batch. A batch may be empty.
/// - A call whose future is dropped, or that returned an error, may have been carried out. Each
///   call may be repeated.
/// - A call that finds nothing to change writes nothing.
/// - `now` is the clock of the store, which is the same for all processes that use it.
/// - Report a failure as an error. Do not panic, and do not block the thread of the call.
/// - Set a time limit in the database too, shorter than 5 seconds: the inbox stops waiting then.
///
/// The feature `test-util` has a test that any store can run: the module `testing`.
pub trait InboxStore: Send + Sync + 'static {
    /// The name of the kind of store: `sqlite`, `postgres`, `memory`, or `other` for every other
    /// one.
    ///
    /// It is the label `store` of a metric. In metrics, any other name appears as `other`.
    const NAME: &str = "other";

    /// Stores messages whose key the store does not have.
    ///
    /// The row is waiting, `due_at` and `received_at` are now, `attempts` and `takes` are 0.
    ///
    /// The outer result is an error if the whole call failed. An inner result is an error if this
    /// message cannot be stored, and others can. If one batch has two messages with one key, the
    /// second one is [`Known`](Stored::Known).
    fn store(
        &self,
        messages: Vec<NewMessage>,
    ) -> impl Future<Output = Result<Vec<Result<Stored, BoxError>>, BoxError>> + Send;

    /// Takes due messages: those with the lowest `due_at` first, and of those the lowest `id`.
    ///
    /// - A message that is taken: its state becomes taken, `attempts` and `takes` each increase by
    ///   1, `due_at` becomes now + [`Take::lease`], and `take_token` becomes [`Take::token`].
    /// - At most [`Take::limit`] messages are taken, of which at most
    ///   [`Take::interrupted_limit`] are interrupted. Interrupted messages are taken first. The
    ///   order of the result does not matter.
    /// - If [`Take::is_ordered`], a message is taken only if its agent is absent, or if no message
    ///   of the same agent with a lower `id` is waiting or taken. This includes the messages of
    ///   the same batch.
    /// - If [`Take::is_repeated`], and messages are taken under this token, the call takes no
    ///   others. It returns those, and sets their `due_at` to now + lease, also if their lease has
    ///   ended. It does not count the attempt again. `is_interrupted` is false then.
    /// - A row that cannot be read becomes dead, with the reason, and is not returned. It does not
    ///   fail the call.
    fn take(&self, take: Take) -> impl Future<Output = Result<Vec<Taken>, BoxError>> + Send;

    /// Sets the end of leases to now + `lease`.
    ///
    /// A lease is held if the message is taken and `takes` is [`Lease::take`], also if the lease
    /// has ended. Otherwise it is lost, and nothing changes.
    fn renew(
        &self,
        leases: Vec<Lease>,
        lease: Duration,
    ) -> impl Future<Output = Result<Vec<LeaseState>, BoxError>> + Send;

    /// Records how attempts have ended.
    ///
    /// | the row | result | what changes |
    /// | --- | --- | --- |
    /// | taken, and `takes` is [`Lease::take`] | `Held` | as [`Outcome`](crate::Outcome) says; `take_token` becomes absent |
    /// | not taken, and `takes` is [`Lease::take`] | `Held` | nothing: the outcome was recorded before |
    /// | `takes` is another number, or there is no such row | `Lost` | nothing |
    ///
    /// | outcome | state | `due_at` | `attempts` | `reason` |
    /// | --- | --- | --- | --- | --- |
    /// | [`Done`](crate::Outcome::Done) | done | now | – | absent |
    /// | [`Retry`](crate::Outcome::Retry) | waiting | now + pause | – | the reason |
    /// | [`Dead`](crate::Outcome::Dead) | dead | now | – | the reason |
    /// | [`Returned`](crate::Outcome::Returned) | waiting | now | decreases by 1 | – |
    fn finish(
        &self,
        finished: Vec<Finish>,
    ) -> impl Future<Output = Result<Vec<LeaseState>, BoxError>> + Send;

    /// Returns the state of the message with each key, or `None` if there is no such message.
    fn states(
        &self,
        keys: Vec<MessageKey>,
    ) -> impl Future<Output = Result<Vec<Option<State>>, BoxError>> + Send;

    /// Counts the messages in each state.
    fn counts(&self) -> impl Future<Output = Result<Counts, BoxError>> + Send;

    /// Counts the waiting messages that are due, for metrics. By default, it is not known: `None`.
    fn due(&self) -> impl Future<Output = Result<Option<u64>, BoxError>> + Send {
        future::ready(Ok(None))
    }

    /// Returns for how long the message with the lowest `due_at` has been due, or `None` if no
    /// message is due. It is at most the time since its arrival or redrive.
    fn oldest_due(&self) -> impl Future<Output = Result<Option<Duration>, BoxError>> + Send;

    /// Returns a page of the messages that match, in the order of their ids. A row that cannot be
    /// read is included, with what can be read of it.
    fn list(
        &self,
        filter: Filter,
        page: Page,
    ) -> impl Future<Output = Result<Vec<Row>, BoxError>> + Send;

    /// Returns a message with its body, or `None` if there is no such message.
    fn show(&self, id: RowId) -> impl Future<Output = Result<Option<RowBody>, BoxError>> + Send;

    /// Lets messages be tried again, and returns how many. `by` says who asks: at most 256 bytes,
    /// without control characters.
    ///
    /// It applies to messages that match and are waiting, done or dead, not to those that are
    /// taken. They become waiting, `due_at` becomes now, `attempts` becomes 0, `redrives` increases
    /// by 1, `redriven_at` becomes now, `redriven_by` becomes `by`. `takes` and `reason` stay.
    fn redrive(
        &self,
        filter: Filter,
        by: String,
    ) -> impl Future<Output = Result<u64, BoxError>> + Send;

    /// Makes waiting messages that match dead, and returns how many. `due_at` becomes now, and
    /// `reason` becomes `reason`: at most 1,000 bytes, without control characters.
    fn give_up(
        &self,
        filter: Filter,
        reason: String,
    ) -> impl Future<Output = Result<u64, BoxError>> + Send;

    /// Deletes messages, and returns how many: see [`Pruning`].
    fn prune(&self, pruning: Pruning) -> impl Future<Output = Result<u64, BoxError>> + Send;

    /// Waits until a message may have become due, for example because one was stored by another
    /// process. A worker takes messages then, and also after its poll interval.
    ///
    /// A notification between two calls is not lost: the next call returns at once. The call may
    /// return without a reason. By default, it never returns.
    fn changed(&self) -> impl Future<Output = ()> + Send {
        future::pending()
    }
}

/// Whether a stored message is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a store has no other outcome")]
pub enum Stored {
    /// The message was not in the inbox, and is on disk now.
    New,
    /// The message was in the inbox. Nothing was changed.
    Known,
}

/// Which part of a list: for [`InboxStore::list`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Page {
    after: Option<RowId>,
    limit: usize,
}

impl Page {
    /// The first rows, at most `limit`.
    pub const fn first(limit: usize) -> Self {
        Self { after: None, limit }
    }

    /// The rows after this one.
    pub const fn after(self, id: RowId) -> Self {
        Self { after: Some(id), ..self }
    }

    /// Returns the row that the page begins after.
    #[must_use]
    pub const fn start(&self) -> Option<RowId> {
        self.after
    }

    /// Returns how many rows the page has at most.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

/// Which messages to delete: for [`InboxStore::prune`].
///
/// A done message is deleted if `due_at + max(done_after, fresh_for) < now`. A dead message is
/// deleted if `dead_after` is set, and `due_at + max(dead_after, fresh_for) < now`. Waiting and
/// taken messages are never deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Pruning {
    done_after: Duration,
    dead_after: Option<Duration>,
    limit: usize,
}

impl Pruning {
    /// Deletes messages that are done for longer than `done_after`, at most 1,000 in one call.
    pub const fn new(done_after: Duration) -> Self {
        Self { done_after, dead_after: None, limit: 1_000 }
    }

    /// Also deletes messages that are dead for longer than this.
    pub const fn with_dead_after(self, dead_after: Duration) -> Self {
        Self { dead_after: Some(dead_after), ..self }
    }

    /// Sets how many messages one call deletes at most.
    pub const fn with_limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }

    /// Returns how long a done message is kept.
    #[must_use]
    pub const fn done_after(&self) -> Duration {
        self.done_after
    }

    /// Returns how long a dead message is kept. `None`: forever.
    #[must_use]
    pub const fn dead_after(&self) -> Option<Duration> {
        self.dead_after
    }

    /// Returns how many messages one call deletes at most.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

/// An error of an [`InboxStore`]. Its text goes to the log, so it must not contain a secret.
pub type BoxError = Box<dyn Error + Send + Sync>;
