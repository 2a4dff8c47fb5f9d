use rusqlite::Transaction;

use crate::{
    filter::Filter,
    sqlite::{call::Statements, clock::milliseconds, filter::Condition},
    store::Pruning,
};

/// Lets messages be tried again.
pub(super) struct Redrive {
    pub(super) filter: Filter,
    pub(super) by: String,
}

impl Statements for Redrive {
    type Output = u64;
    const POINTS: [&'static str; 2] = ["sqlite.redrive.before", "sqlite.redrive.after"];

    fn run(&mut self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<u64> {
        let condition = Condition::of(&self.filter);
        let changed = transaction
            .prepare(&format!(
                "UPDATE agentmail_inbox
                 SET state = 0, due_at = :now, attempts = 0, redrives = redrives + 1,
                     redriven_at = :now, redriven_by = :by
                 WHERE state <> 1 AND {}",
                condition.text
            ))?
            .execute(&*condition.parameters(&[(":now", &now), (":by", &self.by)]))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }
}

/// Makes waiting messages dead.
pub(super) struct GiveUp {
    pub(super) filter: Filter,
    pub(super) reason: String,
}

impl Statements for GiveUp {
    type Output = u64;
    const POINTS: [&'static str; 2] = ["sqlite.give_up.before", "sqlite.give_up.after"];

    fn run(&mut self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<u64> {
        let condition = Condition::of(&self.filter);
        let changed = transaction
            .prepare(&format!(
                "UPDATE agentmail_inbox SET state = 3, due_at = :now, reason = :reason
                 WHERE state = 0 AND {}",
                condition.text
            ))?
            .execute(&*condition.parameters(&[(":now", &now), (":reason", &self.reason)]))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }
}

/// Deletes messages whose time has ended.
pub(super) struct Prune(pub(super) Pruning);

impl Statements for Prune {
    type Output = u64;
    const POINTS: [&'static str; 2] = ["sqlite.prune.before", "sqlite.prune.after"];

    fn run(&mut self, transaction: &Transaction<'_>, now: i64) -> rusqlite::Result<u64> {
        let mut left = self.0.limit();
        let mut deleted: usize = 0;
        let ages = [(DELETE_DONE, Some(self.0.done_after())), (DELETE_DEAD, self.0.dead_after())];
        for (delete, age) in ages {
            let Some(age) = age else { continue };
            let before = now.saturating_sub(milliseconds(age));
            let limit = i64::try_from(left).unwrap_or(i64::MAX);
            let some = transaction.prepare_cached(delete)?.execute((before, now, limit))?;
            deleted = deleted.saturating_add(some);
            left = left.saturating_sub(some);
        }
        Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
    }
}

const DELETE_DONE: &str = "\
DELETE FROM agentmail_inbox WHERE id IN (
    SELECT id FROM agentmail_inbox
    WHERE state = 2 AND due_at < ?1 AND due_at + fresh_for < ?2 ORDER BY due_at, id LIMIT ?3)";

const DELETE_DEAD: &str = "\
DELETE FROM agentmail_inbox WHERE id IN (
    SELECT id FROM agentmail_inbox
    WHERE state = 3 AND due_at < ?1 AND due_at + fresh_for < ?2 ORDER BY id LIMIT ?3)";
