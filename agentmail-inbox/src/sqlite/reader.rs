use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agentmail_receive::MessageKey;
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension};
use tokio::task;

use crate::{
    filter::Filter,
    lease::RowId,
    limits::HORIZON,
    row::{Row, RowBody},
    sqlite::{
        clock::{duration, milliseconds},
        error::SqliteError,
        filter::Condition,
        rows,
    },
    state::{Counts, State},
    store::Page,
};

/// A second connection, on which operators' calls read. It never blocks the one that writes.
#[derive(Debug, Clone)]
pub(super) struct Reader(Arc<Mutex<Connection>>);

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }

    pub(super) async fn counts(&self) -> Result<Counts, SqliteError> {
        self.query(|connection| {
            State::ALL.into_iter().try_fold(Counts::default(), |counts, state| {
                // A literal, so that the partial index of the state is counted.
                let count = format!(
                    "SELECT count(*) FROM agentmail_inbox WHERE state = {}",
                    state.number()
                );
                let count: i64 =
                    connection.prepare_cached(&count)?.query_row([], |row| row.get(0))?;
                Ok(counts.with(state, u64::try_from(count).unwrap_or(0)))
            })
        })
        .await
    }

    pub(super) async fn due(&self, now: i64) -> Result<u64, SqliteError> {
        self.query(move |connection| {
            let count: i64 = connection
                .prepare_cached(
                    "SELECT count(*) FROM agentmail_inbox
                     WHERE state = 0 AND (due_at <= ?1 OR due_at > ?2)",
                )?
                .query_row([now, now.saturating_add(milliseconds(HORIZON))], |row| row.get(0))?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
        .await
    }

    pub(super) async fn oldest_due(&self, now: i64) -> Result<Option<Duration>, SqliteError> {
        self.query(move |connection| {
            let mut oldest: Option<i64> = None;
            for state in [0, 1] {
                // The lowest one is due, or none is, or the clock was set back.
                let (due_at, ahead): (Option<i64>, bool) = connection
                    .prepare_cached(&format!(
                        "SELECT min(due_at), coalesce(max(due_at) > ?1, 0)
                         FROM agentmail_inbox WHERE state = {state}"
                    ))?
                    .query_row([now.saturating_add(milliseconds(HORIZON))], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })?;
                let due_for = due_at
                    .filter(|due_at| *due_at <= now)
                    .map(|due_at| now.saturating_sub(due_at))
                    .or_else(|| ahead.then_some(0));
                oldest = oldest.max(due_for);
            }
            Ok(oldest.map(duration))
        })
        .await
    }

    pub(super) async fn states(
        &self,
        keys: Vec<MessageKey>,
    ) -> Result<Vec<Option<State>>, SqliteError> {
        self.query(move |connection| {
            let mut select = connection
                .prepare_cached("SELECT state FROM agentmail_inbox WHERE message_key = ?1")?;
            let mut state = |key: &MessageKey| {
                let number = select.query_row([key.as_bytes()], |row| row.get(0)).optional()?;
                Ok(number.and_then(State::from_number))
            };
            keys.iter().map(&mut state).collect()
        })
        .await
    }

    pub(super) async fn list(&self, filter: Filter, page: Page) -> Result<Vec<Row>, SqliteError> {
        self.query(move |connection| {
            let condition = Condition::of(&filter);
            let after = page.start().map_or(i64::MIN, RowId::get);
            let limit = i64::try_from(page.limit()).unwrap_or(i64::MAX);
            let mut select = connection.prepare(&format!(
                "SELECT {} FROM agentmail_inbox WHERE {} AND id > :after
                 ORDER BY id LIMIT :limit",
                rows::LISTED,
                condition.text
            ))?;
            let parameters = condition.parameters(&[(":after", &after), (":limit", &limit)]);
            select.query_map(&*parameters, rows::listed)?.collect()
        })
        .await
    }

    pub(super) async fn show(&self, id: RowId) -> Result<Option<RowBody>, SqliteError> {
        self.query(move |connection| {
            let select =
                format!("SELECT {}, body FROM agentmail_inbox WHERE id = ?1", rows::LISTED);
            connection
                .prepare_cached(&select)?
                .query_row([id.get()], |row| {
                    let body: Vec<u8> = row.get(13)?;
                    Ok(RowBody::new(rows::listed(row)?, Bytes::from(body)))
                })
                .optional()
        })
        .await
    }

    async fn query<T, F>(&self, query: F) -> Result<T, SqliteError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let connection = Arc::clone(&self.0);
        let query = move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            query(&connection)
        };
        match task::spawn_blocking(query).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(SqliteError::Closed),
        }
    }
}
