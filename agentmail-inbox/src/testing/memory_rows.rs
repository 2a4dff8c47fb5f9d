use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use agentmail_receive::MessageKey;

use crate::{
    filter::Filter,
    lease::{Lease, RowId},
    limits::HORIZON,
    new_message::NewMessage,
    row::Row,
    state::State,
    take::{TakeToken, Taken},
};

/// The rows of a [`MemoryStore`](super::MemoryStore).
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) last_id: i64,
    pub(super) by_id: BTreeMap<i64, Entry>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) message: NewMessage,
    pub(super) state: State,
    pub(super) due_at: Duration,
    pub(super) attempts: u32,
    pub(super) takes: i64,
    pub(super) token: Option<TakeToken>,
    /// A test has damaged the row.
    pub(super) damaged: bool,
    pub(super) received_at: Duration,
    pub(super) reason: Option<String>,
    pub(super) redrives: u32,
    pub(super) redriven_at: Option<Duration>,
    pub(super) redriven_by: Option<String>,
}

impl Rows {
    pub(super) fn by_key(&self, key: MessageKey) -> Option<&Entry> {
        self.by_id.values().find(|entry| entry.message.key() == key)
    }

    /// Returns the ids of messages that are due, in the order in which they are taken.
    pub(super) fn due(&self, now: Duration, state: State) -> Vec<i64> {
        let due = |entry: &Entry| entry.state == state && entry.is_due(now);
        let mut due: Vec<_> = self
            .by_id
            .iter()
            .filter(|(_, entry)| due(entry))
            .map(|(id, entry)| (entry.due_at > now, entry.due_at, *id))
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, _, id)| id).collect()
    }

    /// Whether an earlier message of the same agent is waiting or taken.
    pub(super) fn is_behind_another(&self, id: i64) -> bool {
        let agent = |entry: &Entry| entry.message.agent_key().copied();
        let Some(own) = self.by_id.get(&id).and_then(agent) else { return false };
        self.by_id.range(..id).any(|(_, entry)| {
            agent(entry) == Some(own) && matches!(entry.state, State::Waiting | State::Taken)
        })
    }

    /// Returns the message of a lease, if its last take is the one of the lease.
    pub(super) fn of_lease(&mut self, lease: Lease) -> Option<&mut Entry> {
        self.by_id.get_mut(&lease.id().get()).filter(|entry| entry.takes == lease.take())
    }

    pub(super) fn matching(&mut self, filter: &Filter) -> impl Iterator<Item = (&i64, &mut Entry)> {
        self.by_id.iter_mut().filter(|(id, entry)| entry.matches(**id, filter))
    }
}

impl Entry {
    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.due_at <= now || self.due_at > now.saturating_add(HORIZON)
    }

    pub(super) fn matches(&self, id: i64, filter: &Filter) -> bool {
        let received_at = at(self.received_at);
        filter.id().is_none_or(|wanted| wanted.get() == id)
            && filter.key().is_none_or(|wanted| wanted == self.message.key())
            && filter.state().is_none_or(|wanted| wanted == self.state)
            && filter.kind().is_none_or(|wanted| wanted == self.message.kind())
            && filter.agent_key().is_none_or(|wanted| Some(wanted) == self.message.agent_key())
            && filter.received_from().is_none_or(|from| received_at >= from)
            && filter.received_before().is_none_or(|before| received_at < before)
    }

    pub(super) fn row(&self, id: i64) -> Row {
        let key = Some(self.message.key());
        let kind = self.message.kind().to_owned();
        let (received_at, due_at) = (at(self.received_at), at(self.due_at));
        let mut row = Row::new(RowId::new(id), key, kind, self.state, received_at, due_at);
        row.agent_id = self.message.agent_id().map(ToOwned::to_owned);
        row.message_id = self.message.message_id().map(ToOwned::to_owned);
        row.attempts = self.attempts;
        row.reason.clone_from(&self.reason);
        row.redrives = self.redrives;
        row.redriven_at = self.redriven_at.map(at);
        row.redriven_by.clone_from(&self.redriven_by);
        row
    }

    pub(super) fn taken(&self, id: i64, interrupted: bool, now: Duration) -> Taken {
        let lease = Lease::new(RowId::new(id), self.takes);
        Taken::new(lease, self.message.key(), self.attempts, self.message.body().clone())
            .interrupted(interrupted)
            .with_trace_parent(self.message.trace_parent().map(ToOwned::to_owned))
            .with_age(now.saturating_sub(self.received_at))
    }
}

fn at(since_1970: Duration) -> SystemTime {
    UNIX_EPOCH.checked_add(since_1970).unwrap_or(UNIX_EPOCH)
}
