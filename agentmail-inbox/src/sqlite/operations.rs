use std::time::Duration;

use rusqlite::{ErrorCode, OptionalExtension, Transaction, named_params};

use crate::{
    lease::{Lease, LeaseState},
    limits::HORIZON,
    new_message::NewMessage,
    outcome::{Finish, Outcome},
    sqlite::{clock::milliseconds, rows, writer::Statements},
    store::{BoxError, Stored},
    take::{Take, Taken},
    telemetry,
};

/// Stores messages.
pub(super) struct Store(pub(super) Vec<NewMessage>);

impl Statements for Store {
    type Output = Vec<Result<Stored, BoxError>>;
    const POINTS: [&'static str; 2] = ["sqlite.store.before", "sqlite.store.after"];
    const STORES: bool = true;

    fn run(&mut self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<Self::Output> {
        let mut insert = transaction.prepare_cached(
            "INSERT INTO agentmail_inbox
                 (message_key, due_at, received_at, fresh_for, kind, agent_key, agent_id,
                  message_id, trace_parent, body)
             VALUES (:message_key, :now, :now, :fresh_for, :kind, :agent_key, :agent_id,
                     :message_id, :trace_parent, :body)
             ON CONFLICT (message_key) DO NOTHING",
        )?;
        let mut stored = Vec::with_capacity(self.0.len());
        for message in &self.0 {
            let inserted = insert.execute(named_params! {
                ":message_key": message.key().as_bytes(),
                ":now": now,
                ":fresh_for": milliseconds(message.fresh_for()),
                ":kind": message.kind(),
                ":agent_key": message.agent_key(),
                ":agent_id": message.agent_id(),
                ":message_id": message.message_id(),
                ":trace_parent": message.trace_parent(),
                ":body": &message.body()[..],
            });
            stored.push(match inserted {
                Ok(0) => Ok(Stored::Known),
                Ok(_) => Ok(Stored::New),
                // The statement was undone, and nothing else of the transaction.
                Err(error) if undoes_one_statement(&error) => Err(error.into()),
                Err(error) => return Err(error),
            });
        }
        Ok(stored)
    }
}

fn undoes_one_statement(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch)
    )
}

/// Takes messages that are due.
pub(super) struct TakeDue(pub(super) Take);

impl Statements for TakeDue {
    type Output = Vec<Taken>;
    const POINTS: [&'static str; 2] = ["sqlite.take.before", "sqlite.take.after"];

    fn run(&mut self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<Vec<Taken>> {
        if self.0.is_repeated() {
            let taken = self.take_again(transaction, now)?;
            if !taken.is_empty() {
                return Ok(taken);
            }
        }
        let mut taken = Vec::new();
        for interrupted in [true, false] {
            let limit = if interrupted {
                self.0.interrupted_limit()
            } else {
                self.0.limit().saturating_sub(taken.len())
            };
            // The common case first: the second one finds messages after the clock was set back.
            for ahead in [false, true] {
                let limit = limit.saturating_sub(if interrupted { taken.len() } else { 0 });
                self.take_some(transaction, now, limit, interrupted, ahead, &mut taken)?;
                if !interrupted && taken.len() >= self.0.limit() {
                    return Ok(taken);
                }
            }
        }
        Ok(taken)
    }
}

impl TakeDue {
    fn take_some(
        &self,
        transaction: &Transaction<'_>,
        now: i64,
        limit: usize,
        interrupted: bool,
        ahead: bool,
        taken: &mut Vec<Taken>,
    ) -> rusqlite::Result<()> {
        let limit = limit.min(self.0.limit().saturating_sub(taken.len()));
        if limit == 0 {
            return Ok(());
        }
        let due = if ahead { now.saturating_add(milliseconds(HORIZON)) } else { now };
        let mut select =
            transaction.prepare_cached(select_due(self.0.is_ordered(), interrupted, ahead))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // All rows first: the updates change the index that the statement searches.
        let found = select.query_map((due, limit), |row| {
            let id: i64 = row.get(0)?;
            Ok((id, rows::taken(row, interrupted)))
        })?;
        for (id, message) in found.collect::<rusqlite::Result<Vec<_>>>()? {
            match message {
                Ok(message) => {
                    transaction
                        .prepare_cached(
                            "UPDATE agentmail_inbox
                             SET state = 1, attempts = attempts + 1, takes = takes + 1,
                                 due_at = ?2, take_token = ?3
                             WHERE id = ?1",
                        )?
                        .execute((id, self.end(now), self.0.token().as_bytes()))?;
                    taken.push(message);
                }
                Err(reason) => bury(transaction, id, now, &reason)?,
            }
        }
        Ok(())
    }

    /// Returns the messages that a call with the same token has taken.
    fn take_again(&self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<Vec<Taken>> {
        let token = self.0.token();
        let mut select = transaction.prepare_cached(
            "SELECT id, takes - 1, message_key, attempts - 1, trace_parent, body
             FROM agentmail_inbox WHERE state = 1 AND take_token = ?1 ORDER BY due_at, id",
        )?;
        let mut rows = select.query([token.as_bytes()])?;
        let mut taken = Vec::new();
        while let Some(row) = rows.next()? {
            // They were read before.
            taken.extend(rows::taken(row, false));
        }
        transaction
            .prepare_cached(
                "UPDATE agentmail_inbox SET due_at = ?2 WHERE state = 1 AND take_token = ?1",
            )?
            .execute((token.as_bytes(), self.end(now)))?;
        Ok(taken)
    }

    fn end(&self, now: i64) -> i64 {
        now.saturating_add(milliseconds(self.0.lease()))
    }
}

/// Makes a row dead that cannot be read.
fn bury(transaction: &Transaction<'_>, id: i64, now: i64, reason: &str) -> rusqlite::Result<()> {
    telemetry::unreadable(id, reason);
    transaction
        .prepare_cached(
            "UPDATE OR IGNORE agentmail_inbox
             SET state = 3, due_at = ?2, take_token = NULL, reason = ?3 WHERE id = ?1",
        )?
        .execute((id, now, reason))?;
    Ok(())
}

/// Returns the statement that finds due messages. The states are literals, because a partial index
/// is not used otherwise.
const fn select_due(ordered: bool, interrupted: bool, ahead: bool) -> &'static str {
    macro_rules! select {
        ($from:literal, $state:literal, $due:literal) => {
            concat!(
                "SELECT id, takes, message_key, attempts, trace_parent, body FROM ",
                $from,
                " WHERE state = ",
                $state,
                " AND due_at ",
                $due,
                " ?1 ORDER BY due_at, id LIMIT ?2"
            )
        };
    }
    // The first message of each agent, and all messages without an agent. The index by agent finds
    // the next agent, so that the other messages of an agent are not read.
    macro_rules! ordered {
        ($state:literal, $due:literal) => {
            select!(
                "(WITH RECURSIVE agents (agent_key) AS (
                      SELECT min(agent_key) FROM agentmail_inbox
                      WHERE state < 2 AND agent_key IS NOT NULL
                      UNION ALL
                      SELECT (SELECT min(agent_key) FROM agentmail_inbox
                              WHERE state < 2 AND agent_key > agents.agent_key)
                      FROM agents WHERE agents.agent_key IS NOT NULL
                  )
                  SELECT * FROM agentmail_inbox WHERE id IN (
                      SELECT (SELECT min(id) FROM agentmail_inbox AS first
                              WHERE first.state < 2 AND first.agent_key = agents.agent_key)
                      FROM agents WHERE agents.agent_key IS NOT NULL
                  )
                  UNION ALL
                  SELECT * FROM agentmail_inbox WHERE state < 2 AND agent_key IS NULL)",
                $state,
                $due
            )
        };
    }
    match (ordered, interrupted, ahead) {
        (false, false, false) => select!("agentmail_inbox", "0", "<="),
        (false, false, true) => select!("agentmail_inbox", "0", ">"),
        (false, true, false) => select!("agentmail_inbox", "1", "<="),
        (false, true, true) => select!("agentmail_inbox", "1", ">"),
        (true, false, false) => ordered!("0", "<="),
        (true, false, true) => ordered!("0", ">"),
        (true, true, false) => ordered!("1", "<="),
        (true, true, true) => ordered!("1", ">"),
    }
}

/// Sets the end of leases.
pub(super) struct Renew(pub(super) Vec<Lease>, pub(super) Duration);

impl Statements for Renew {
    type Output = Vec<LeaseState>;
    const POINTS: [&'static str; 2] = ["sqlite.renew.before", "sqlite.renew.after"];

    fn run(&mut self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<Self::Output> {
        let end = now.saturating_add(milliseconds(self.1));
        let mut update = transaction.prepare_cached(
            "UPDATE agentmail_inbox SET due_at = ?3 WHERE id = ?1 AND takes = ?2 AND state = 1",
        )?;
        let mut renew = |lease: &Lease| {
            let renewed = update.execute((lease.id().get(), lease.take(), end))?;
            Ok(if renewed == 1 { LeaseState::Held } else { LeaseState::Lost })
        };
        self.0.iter().map(&mut renew).collect()
    }
}

/// Records outcomes.
pub(super) struct FinishAll(pub(super) Vec<Finish>);

impl Statements for FinishAll {
    type Output = Vec<LeaseState>;
    const POINTS: [&'static str; 2] = ["sqlite.finish.before", "sqlite.finish.after"];

    fn run(&mut self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<Self::Output> {
        self.0.iter().map(|finish| record(transaction, now, finish)).collect()
    }
}

fn record(
    transaction: &Transaction<'_>,
    now: i64,
    finish: &Finish,
) -> rusqlite::Result<LeaseState> {
    let (state, due_at, counted, reason) = match finish.outcome() {
        Outcome::Done => (2, now, 1, None),
        Outcome::Retry { pause, reason } => {
            (0, now.saturating_add(milliseconds(*pause)), 1, Some(reason))
        }
        Outcome::Dead { reason } => (3, now, 1, Some(reason)),
        Outcome::Returned => (0, now, 0, None),
    };
    let lease = finish.lease();
    let recorded = transaction
        .prepare_cached(
            "UPDATE agentmail_inbox
             SET state = :state, due_at = :due_at, take_token = NULL,
                 attempts = max(0, attempts + :counted - 1),
                 reason = CASE WHEN :counted THEN :reason ELSE reason END
             WHERE id = :id AND takes = :takes AND state = 1",
        )?
        .execute(named_params! {
            ":state": state,
            ":due_at": due_at,
            ":counted": counted,
            ":reason": reason,
            ":id": lease.id().get(),
            ":takes": lease.take(),
        })?;
    if recorded == 1 {
        return Ok(LeaseState::Held);
    }
    let takes: Option<i64> = transaction
        .prepare_cached("SELECT takes FROM agentmail_inbox WHERE id = ?1")?
        .query_row([lease.id().get()], |row| row.get(0))
        .optional()?;
    Ok(if takes == Some(lease.take()) { LeaseState::Held } else { LeaseState::Lost })
}
