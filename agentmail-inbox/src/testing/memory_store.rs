use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use agentmail_receive::MessageKey;
use tokio::sync::Notify;

use crate::{
    filter::Filter,
    lease::{Lease, LeaseState, RowId},
    new_message::NewMessage,
    outcome::{Finish, Outcome},
    row::{Row, RowBody},
    state::{Counts, State},
    store::{BoxError, InboxStore, Page, Pruning, Stored},
    take::{Take, Taken},
    telemetry,
    testing::{
        clock::ManualClock,
        memory_rows::{Entry, Rows},
    },
};

/// Keeps messages in memory, for tests. **A crash loses them.**
///
/// ```
/// use agentmail_inbox::{BoxError, Inbox, Message, testing::MemoryStore};
/// # use agentmail_inbox::{MessageKey, NewMessage};
///
/// async fn work(message: Message) -> Result<(), BoxError> {
///     println!("{:?}", message.event());
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let inbox = Inbox::new(MemoryStore::new());
/// # let body = r#"{"type":"mail.bounced"}"#;
/// # let bounce = NewMessage::new(MessageKey::of_body(body.as_bytes()), "mail.bounced", body);
/// # inbox.store_message(bounce).await?;
/// // Send a signed delivery to your app here.
///
/// let tried = inbox.worker(work).run_once().await?;
///
/// assert_eq!(tried.done, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: Mutex<Rows>,
    /// `None`: the time of day.
    clock: Option<ManualClock>,
    changed: Notify,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty store, whose time is that of a clock that the test controls.
    #[must_use]
    pub fn with_clock(clock: &ManualClock) -> Self {
        Self { clock: Some(clock.clone()), ..Self::default() }
    }

    /// Damages the row of a message, so that it counts as unreadable.
    pub fn damage(&self, id: RowId) {
        if let Some(entry) = self.rows().by_id.get_mut(&id.get()) {
            entry.damaged = true;
        }
    }

    /// Lets leases end, as a store on SQLite does when it is opened.
    pub(super) fn end_leases(&self) {
        let now = self.now();
        let mut rows = self.rows();
        for entry in rows.by_id.values_mut().filter(|entry| entry.state == State::Taken) {
            let delay = Duration::from_millis(match entry.attempts {
                0 | 1 => 0,
                attempts @ 2..7 => 500 << (attempts - 2),
                _ => 30_000,
            });
            entry.due_at = entry.due_at.min(now.saturating_add(delay));
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time of day since 1970.
    fn now(&self) -> Duration {
        let time_of_day =
            self.clock.as_ref().map_or_else(SystemTime::now, ManualClock::time_of_day);
        time_of_day.duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl InboxStore for MemoryStore {
    const NAME: &str = "memory";

    async fn store(
        &self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Result<Stored, BoxError>>, BoxError> {
        let now = self.now();
        let mut rows = self.rows();
        let mut store = |message: NewMessage| {
            if rows.by_key(message.key()).is_some() {
                return Stored::Known;
            }
            rows.last_id = rows.last_id.saturating_add(1);
            let entry = Entry {
                message,
                state: State::Waiting,
                due_at: now,
                attempts: 0,
                takes: 0,
                token: None,
                damaged: false,
                received_at: now,
                reason: None,
                redrives: 0,
                redriven_at: None,
                redriven_by: None,
            };
            let id = rows.last_id;
            rows.by_id.insert(id, entry);
            Stored::New
        };
        let stored = messages.into_iter().map(|message| Ok(store(message))).collect();
        self.changed.notify_one();
        Ok(stored)
    }

    async fn take(&self, take: Take) -> Result<Vec<Taken>, BoxError> {
        let now = self.now();
        let end = now.saturating_add(take.lease());
        let mut rows = self.rows();
        let own = |entry: &Entry| entry.state == State::Taken && entry.token == Some(take.token());
        if take.is_repeated() && rows.by_id.values().any(own) {
            let again = rows.by_id.iter_mut().filter(|(_, entry)| own(entry));
            return Ok(again
                .map(|(id, entry)| {
                    entry.due_at = end;
                    entry.taken(*id, false, now)
                })
                .collect());
        }
        let ordered = |id: &i64| !take.is_ordered() || !rows.is_behind_another(*id);
        let interrupted: Vec<_> = rows
            .due(now, State::Taken)
            .into_iter()
            .filter(ordered)
            .take(take.interrupted_limit())
            .map(|id| (id, true))
            .collect();
        let rest = take.limit().saturating_sub(interrupted.len());
        let waiting = rows.due(now, State::Waiting).into_iter().filter(ordered).take(rest);
        let chosen: Vec<_> = interrupted.into_iter().chain(waiting.map(|id| (id, false))).collect();
        let mut taken = Vec::new();
        for (id, interrupted) in chosen {
            let Some(entry) = rows.by_id.get_mut(&id) else { continue };
            if entry.damaged {
                let reason = "the row cannot be read: a test has damaged it";
                telemetry::unreadable(id, reason);
                entry.state = State::Dead;
                entry.due_at = now;
                entry.reason = Some(reason.to_owned());
            } else {
                entry.state = State::Taken;
                entry.attempts = entry.attempts.saturating_add(1);
                entry.takes = entry.takes.saturating_add(1);
                entry.due_at = end;
                entry.token = Some(take.token());
                taken.push(entry.taken(id, interrupted, now));
            }
        }
        Ok(taken)
    }

    async fn renew(
        &self,
        leases: Vec<Lease>,
        lease: Duration,
    ) -> Result<Vec<LeaseState>, BoxError> {
        let end = self.now().saturating_add(lease);
        let mut rows = self.rows();
        let mut renew = |lease| match rows.of_lease(lease) {
            Some(entry) if entry.state == State::Taken => {
                entry.due_at = end;
                LeaseState::Held
            }
            _ => LeaseState::Lost,
        };
        Ok(leases.into_iter().map(&mut renew).collect())
    }

    async fn finish(&self, finished: Vec<Finish>) -> Result<Vec<LeaseState>, BoxError> {
        let now = self.now();
        let mut rows = self.rows();
        let mut record = |finish: &Finish| {
            let Some(entry) = rows.of_lease(finish.lease()) else { return LeaseState::Lost };
            if entry.state == State::Taken {
                entry.token = None;
                entry.due_at = now;
                match finish.outcome() {
                    Outcome::Done => {
                        entry.state = State::Done;
                        entry.reason = None;
                    }
                    Outcome::Retry { pause, reason } => {
                        entry.state = State::Waiting;
                        entry.due_at = now.saturating_add(*pause);
                        entry.reason = Some(reason.clone());
                    }
                    Outcome::Dead { reason } => {
                        entry.state = State::Dead;
                        entry.reason = Some(reason.clone());
                    }
                    Outcome::Returned => {
                        entry.state = State::Waiting;
                        entry.attempts = entry.attempts.saturating_sub(1);
                    }
                }
            }
            LeaseState::Held
        };
        Ok(finished.iter().map(&mut record).collect())
    }

    async fn states(&self, keys: Vec<MessageKey>) -> Result<Vec<Option<State>>, BoxError> {
        let rows = self.rows();
        Ok(keys.into_iter().map(|key| Some(rows.by_key(key)?.state)).collect())
    }

    async fn counts(&self) -> Result<Counts, BoxError> {
        let rows = self.rows();
        Ok(rows.by_id.values().fold(Counts::default(), |counts, entry| {
            counts.with(entry.state, counts.of(entry.state).saturating_add(1))
        }))
    }

    async fn due(&self) -> Result<Option<u64>, BoxError> {
        let due = self.rows().due(self.now(), State::Waiting).len();
        Ok(Some(u64::try_from(due).unwrap_or(u64::MAX)))
    }

    async fn oldest_due(&self) -> Result<Option<Duration>, BoxError> {
        let now = self.now();
        let rows = self.rows();
        let due = [State::Waiting, State::Taken].into_iter().flat_map(|state| rows.due(now, state));
        let due_for = |id| Some(now.saturating_sub(rows.by_id.get(&id)?.due_at));
        Ok(due.filter_map(due_for).max())
    }

    async fn list(&self, filter: Filter, page: Page) -> Result<Vec<Row>, BoxError> {
        let mut rows = self.rows();
        let after = page.start().map_or(i64::MIN, RowId::get);
        let matching = rows.matching(&filter).filter(|(id, _)| **id > after);
        Ok(matching.take(page.limit()).map(|(id, entry)| entry.row(*id)).collect())
    }

    async fn show(&self, id: RowId) -> Result<Option<RowBody>, BoxError> {
        let rows = self.rows();
        let entry = rows.by_id.get(&id.get());
        Ok(entry.map(|entry| RowBody::new(entry.row(id.get()), entry.message.body().clone())))
    }

    async fn redrive(&self, filter: Filter, by: String) -> Result<u64, BoxError> {
        let now = self.now();
        let mut changed: u64 = 0;
        let mut rows = self.rows();
        for (_, entry) in rows.matching(&filter).filter(|(_, entry)| entry.state != State::Taken) {
            entry.state = State::Waiting;
            entry.due_at = now;
            entry.attempts = 0;
            entry.redrives = entry.redrives.saturating_add(1);
            entry.redriven_at = Some(now);
            entry.redriven_by = Some(by.clone());
            changed = changed.saturating_add(1);
        }
        Ok(changed)
    }

    async fn give_up(&self, filter: Filter, reason: String) -> Result<u64, BoxError> {
        let now = self.now();
        let mut changed: u64 = 0;
        let mut rows = self.rows();
        for (_, entry) in rows.matching(&filter).filter(|(_, entry)| entry.state == State::Waiting)
        {
            entry.state = State::Dead;
            entry.due_at = now;
            entry.reason = Some(reason.clone());
            changed = changed.saturating_add(1);
        }
        Ok(changed)
    }

    async fn prune(&self, pruning: Pruning) -> Result<u64, BoxError> {
        let now = self.now();
        let mut rows = self.rows();
        let is_old = |entry: &Entry| {
            let after = match entry.state {
                State::Done => Some(pruning.done_after()),
                State::Dead => pruning.dead_after(),
                State::Waiting | State::Taken => None,
            };
            after.is_some_and(|after| {
                entry.due_at.saturating_add(after.max(entry.message.fresh_for())) < now
            })
        };
        let old = rows.by_id.iter().filter(|(_, entry)| is_old(entry)).map(|(id, _)| *id);
        let old: Vec<_> = old.take(pruning.limit()).collect();
        for id in &old {
            rows.by_id.remove(id);
        }
        Ok(u64::try_from(old.len()).unwrap_or(u64::MAX))
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }
}
