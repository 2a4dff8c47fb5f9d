use std::time::Duration;

use rusqlite::{ErrorCode, OptionalExtension, Transaction, named_params};

use crate::{
    lease::{Lease, LeaseState},
    new_message::NewMessage,
    outcome::{Finish, Outcome},
    sqlite::{call::Statements, clock::milliseconds},
    store::{BoxError, Stored},
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
