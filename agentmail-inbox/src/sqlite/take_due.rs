use rusqlite::Transaction;

use crate::{
    limits::HORIZON,
    sqlite::{call::Statements, clock::milliseconds, rows},
    take::{Take, Taken},
    telemetry,
};

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
            Ok((id, rows::taken(row, interrupted, now)))
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
            "SELECT id, takes - 1, message_key, attempts - 1, trace_parent, body, received_at
             FROM agentmail_inbox WHERE state = 1 AND take_token = ?1 ORDER BY due_at, id",
        )?;
        let mut rows = select.query([token.as_bytes()])?;
        let mut taken = Vec::new();
        while let Some(row) = rows.next()? {
            // They were read before.
            taken.extend(rows::taken(row, false, now));
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
                "SELECT id, takes, message_key, attempts, trace_parent, body, received_at FROM ",
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
