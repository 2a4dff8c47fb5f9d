//! A claim store of your own, over PostgreSQL. Copy this file and `schema.sql` into your app.
//!
//! ```no_run
//! use agentmail_dedupe::Claims;
//! use agentmail_examples_claim_store::PostgresStore;
//!
//! # async fn claims() -> Result<Claims, Box<dyn std::error::Error + Send + Sync>> {
//! let store = PostgresStore::new("postgres://app@localhost/app")?;
//! store.create_table().await?; // or apply `schema.sql` with your migrations
//! let claims = Claims::new(store);
//! # Ok(claims)
//! # }
//! ```
//!
//! Each call is one SQL statement, and therefore one atomic step. All times are read from the clock
//! of the server. `tests/postgres.rs` runs the published test of a claim store on a real server.

use std::time::Duration;

use agentmail_dedupe::{BoxError, ClaimKey, ClaimOutcome, ClaimStore, LeaseState, Owner};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::{Config, NoTls};

/// Keeps claims in a table of a PostgreSQL database, for any number of processes.
///
/// It has a pool of its own, because [`Claims`](agentmail_dedupe::Claims) makes the calls on a
/// thread of its own: that thread also drives the connections.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: Pool,
}

impl PostgresStore {
    /// Takes the address of a database. It connects at the first call.
    ///
    /// # Errors
    ///
    /// The address is malformed.
    pub fn new(url: &str) -> Result<Self, BoxError> {
        let mut config: Config = url.parse()?;
        // A call that has timed out is not cancelled on the server, so the server has a limit too.
        // A record that a crash of the server loses would be handled again.
        config.options("-c statement_timeout=2000 -c synchronous_commit=on");
        // A server that disappears is noticed after seconds. The default is a quarter of an hour.
        config.connect_timeout(Duration::from_secs(2)).tcp_user_timeout(Duration::from_secs(10));
        // For TLS, replace `NoTls`, for example by that of the crate `tokio-postgres-rustls`.
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling)).max_size(8);
        Ok(Self { pool: pool.build()? })
    }

    /// Creates the table, if it does not exist.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses.
    pub async fn create_table(&self) -> Result<(), BoxError> {
        Ok(self.pool.get().await?.batch_execute(include_str!("schema.sql")).await?)
    }

    /// Deletes the rows that have ended, and returns their number. Call this every hour, for
    /// example.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, or refuses.
    pub async fn prune(&self) -> Result<u64, BoxError> {
        let sql = "DELETE FROM agentmail_claims WHERE ends_at <= now()";
        Ok(self.pool.get().await?.execute(sql, &[]).await?)
    }
}

impl ClaimStore for PostgresStore {
    async fn claim(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<ClaimOutcome, BoxError> {
        // A row that has ended goes to this owner. A row of this owner gets a new end. Any other
        // row is updated to what it was, so that RETURNING shows it.
        let sql = "
            INSERT INTO agentmail_claims AS old (key, owner, handled, ends_at)
            VALUES ($1, $2, false, now() + make_interval(secs => $3))
            ON CONFLICT (key) DO UPDATE SET
                owner = CASE WHEN old.ends_at <= now() THEN excluded.owner ELSE old.owner END,
                handled = old.handled AND old.ends_at > now(),
                ends_at = CASE
                    WHEN old.ends_at <= now() THEN excluded.ends_at
                    WHEN old.owner = excluded.owner AND NOT old.handled THEN excluded.ends_at
                    ELSE old.ends_at
                END
            RETURNING handled, owner = $2";
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(sql).await?;
        let (key, owner) = (key.as_bytes().as_slice(), owner.as_bytes().as_slice());
        let row = client.query_one(&statement, &[&key, &owner, &lease.as_secs_f64()]).await?;
        let (handled, is_of_owner): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
        Ok(match (handled, is_of_owner) {
            (true, _) => ClaimOutcome::AlreadyHandled,
            (false, true) => ClaimOutcome::Granted,
            (false, false) => ClaimOutcome::InFlight,
        })
    }

    async fn renew(
        &self,
        key: ClaimKey,
        owner: Owner,
        lease: Duration,
    ) -> Result<LeaseState, BoxError> {
        let sql = "
            UPDATE agentmail_claims
            SET ends_at = CASE WHEN handled THEN ends_at ELSE now() + make_interval(secs => $3) END
            WHERE key = $1 AND owner = $2 AND ends_at > now()";
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(sql).await?;
        let (key, owner) = (key.as_bytes().as_slice(), owner.as_bytes().as_slice());
        let rows = client.execute(&statement, &[&key, &owner, &lease.as_secs_f64()]).await?;
        Ok(if rows == 1 { LeaseState::Held } else { LeaseState::Lost })
    }

    async fn complete(
        &self,
        key: ClaimKey,
        owner: Owner,
        retention: Duration,
    ) -> Result<LeaseState, BoxError> {
        // Before PostgreSQL 18, RETURNING cannot show the old owner. A column has the comparison.
        let sql = "
            INSERT INTO agentmail_claims AS old (key, owner, handled, ends_at)
            VALUES ($1, $2, true, now() + make_interval(secs => $3))
            ON CONFLICT (key) DO UPDATE SET
                owner = excluded.owner,
                handled = true,
                ends_at = excluded.ends_at,
                took_it = old.owner <> excluded.owner AND old.ends_at > now()
            RETURNING took_it";
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(sql).await?;
        let (key, owner) = (key.as_bytes().as_slice(), owner.as_bytes().as_slice());
        let row = client.query_one(&statement, &[&key, &owner, &retention.as_secs_f64()]).await?;
        Ok(if row.try_get(0)? { LeaseState::Lost } else { LeaseState::Held })
    }

    async fn release(&self, key: ClaimKey, owner: Owner) -> Result<(), BoxError> {
        let sql = "DELETE FROM agentmail_claims WHERE key = $1 AND owner = $2 AND NOT handled";
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(sql).await?;
        let (key, owner) = (key.as_bytes().as_slice(), owner.as_bytes().as_slice());
        client.execute(&statement, &[&key, &owner]).await?;
        Ok(())
    }

    async fn forget(&self, key: ClaimKey) -> Result<bool, BoxError> {
        let sql = "DELETE FROM agentmail_claims WHERE key = $1 AND handled AND ends_at > now()";
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.execute(&statement, &[&key.as_bytes().as_slice()]).await? == 1)
    }
}
