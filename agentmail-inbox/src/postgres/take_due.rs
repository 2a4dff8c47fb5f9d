use std::collections::HashMap;

use bytes::Bytes;
use tokio_postgres::{Row as SqlRow, types::ToSql};

use super::{
    connections::Parameters,
    error::PostgresError,
    rows::{self, TakenRow, seconds},
    statements,
    store::{PostgresStore, bigint},
};
use crate::{
    lease::Lease,
    outcome::{Finish, Outcome},
    take::{Take, Taken},
    telemetry,
};

impl PostgresStore {
    /// Takes messages that are due. Rows that cannot be read become dead, and others are taken
    /// instead.
    pub(super) async fn take_due(&self, take: &Take) -> Result<Vec<Taken>, PostgresError> {
        let (token, lease) = (take.token(), seconds(take.lease()));
        let token = token.as_bytes().as_slice();
        let [statement, without_body] = if take.is_ordered() {
            [statements::TAKE_IN_ORDER, statements::TAKE_IN_ORDER_WITHOUT_BODY]
        } else {
            [statements::TAKE, statements::TAKE_WITHOUT_BODY]
        };
        let mut taken: Vec<Taken> = Vec::new();
        loop {
            let interrupted = taken.iter().filter(|taken| taken.is_interrupted()).count();
            let limit = take.limit().saturating_sub(taken.len());
            let interrupted_limit = take.interrupted_limit().saturating_sub(interrupted).min(limit);
            let limits = [limit, interrupted_limit].map(bigint);
            let [limit, interrupted_limit] = &limits;
            let parameters: [&(dyn ToSql + Sync); 4] = [&token, &lease, limit, interrupted_limit];
            let rows = self.read(statement, without_body, &parameters).await?;
            let (readable, unreadable) = split(rows);
            taken.extend(readable);
            if unreadable.is_empty() {
                return Ok(taken);
            }
            self.bury(unreadable).await?;
        }
    }

    /// Returns what was taken under the token of an earlier call.
    pub(super) async fn taken_under(&self, take: &Take) -> Result<Vec<Taken>, PostgresError> {
        let (token, lease) = (take.token(), seconds(take.lease()));
        let token = token.as_bytes().as_slice();
        let [statement, without_body] =
            [statements::TAKEN_UNDER, statements::TAKEN_UNDER_WITHOUT_BODY];
        let rows = self.read(statement, without_body, &[&token, &lease]).await?;
        let (taken, unreadable) = split(rows);
        self.bury(unreadable).await?;
        Ok(taken)
    }

    /// Carries out a statement that takes messages. A body that the server cannot read does not
    /// fail the others.
    async fn read(
        &self,
        statement: &str,
        without_body: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<TakenRow>, PostgresError> {
        match self.query(statement, parameters).await {
            Ok(rows) => Ok(rows::taken(rows, |row| rows::body(row, 7))?),
            Err(error) if error.is_of_data() => {
                let rows = self.query(without_body, parameters).await?;
                let mut bodies = HashMap::new();
                for row in &rows {
                    let id: i64 = row.try_get(0)?;
                    bodies.insert(id, self.body(id).await?);
                }
                let body = |row: &SqlRow| {
                    let id: Option<i64> = row.try_get(0).ok();
                    let body = id.and_then(|id| bodies.get(&id).cloned());
                    body.unwrap_or_else(|| Err("the body is not there".into()))
                };
                Ok(rows::taken(rows, body)?)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a body. The inner result is an error if the server cannot read it.
    async fn body(&self, id: i64) -> Result<Result<Bytes, String>, PostgresError> {
        match self.query(statements::BODY, &[&id]).await {
            Ok(rows) => {
                Ok(rows.first().map_or(Err("the row is gone".into()), |row| rows::body(row, 0)))
            }
            Err(error) if error.is_of_data() => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Makes rows dead that cannot be read.
    async fn bury(&self, unreadable: Vec<(Lease, String)>) -> Result<(), PostgresError> {
        let dead = |(lease, reason): &(Lease, String)| Finish::new(*lease, Outcome::dead(reason));
        let finished: Vec<_> = unreadable.iter().map(dead).collect();
        self.end(&finished).await?;
        for (lease, reason) in unreadable {
            telemetry::unreadable(lease.id().get(), &reason);
        }
        Ok(())
    }
}

fn split(rows: Vec<TakenRow>) -> (Vec<Taken>, Vec<(Lease, String)>) {
    let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
    for row in rows {
        match row {
            TakenRow::Readable(taken) => readable.push(taken),
            TakenRow::Unreadable(lease, reason) => unreadable.push((lease, reason)),
        }
    }
    (readable, unreadable)
}
