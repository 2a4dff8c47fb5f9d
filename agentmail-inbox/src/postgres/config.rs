use std::{fmt, time::Duration};

use tokio_postgres::Config;

use super::{
    address,
    error::{PostgresError, PostgresErrorKind},
    store::PostgresStore,
};

/// Settings of a [`PostgresStore`].
///
/// # Defaults
///
/// | setting | default |
/// | --- | --- |
/// | [`with_connections`](Self::with_connections) | 8 |
/// | [`with_deadline`](Self::with_deadline) | 4 seconds |
/// | [`without_migrations`](Self::without_migrations) | the store creates and changes its tables |
#[derive(Clone)]
#[must_use]
pub struct PostgresConfig {
    pub(super) server: Config,
    pub(super) connections: usize,
    pub(super) deadline: Duration,
    pub(super) migrates: bool,
}

impl PostgresConfig {
    /// Takes the address of a server: `postgres://user:password@host:port/database`, or
    /// `host=… user=… dbname=…`. Does not connect.
    ///
    /// Percent-encode the user name and the password: for example, write `%2F` for `/`, `%40` for
    /// `@` and `%25` for `%`. Options of the address, such as `sslmode`, `options` and
    /// `target_session_attrs`, are those of [`tokio_postgres::Config`].
    ///
    /// # Errors
    ///
    /// The address is malformed, or has `sslmode=require` without the feature `postgres-tls`.
    pub fn new(address: &str) -> Result<Self, PostgresError> {
        Ok(Self {
            server: address::parse(address)?,
            connections: 8,
            deadline: Duration::from_secs(4),
            migrates: true,
        })
    }

    /// Sets how many connections the store uses at most, 1 to 1,000. It uses one more to listen for
    /// messages of other processes.
    pub fn with_connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// Sets how long a call may take, 100 milliseconds to 5 seconds. The server ends a statement
    /// after half of this time.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Leaves the tables to you. [`connect`](Self::connect) then fails unless they match this
    /// release. Apply [`PostgresStore::migrations`] with a user that may create tables.
    pub fn without_migrations(self) -> Self {
        Self { migrates: false, ..self }
    }

    /// Connects, checks the server, and creates or changes the tables.
    ///
    /// # Errors
    ///
    /// As [`PostgresStore::connect`].
    pub async fn connect(self) -> Result<PostgresStore, PostgresError> {
        let out_of_range = |detail| Err(PostgresError::new(PostgresErrorKind::Setting, detail));
        if !(1..=1_000).contains(&self.connections) {
            return out_of_range("the number of connections is not between 1 and 1,000");
        }
        if !(Duration::from_millis(100)..=Duration::from_secs(5)).contains(&self.deadline) {
            return out_of_range("the deadline is not between 100 milliseconds and 5 seconds");
        }
        PostgresStore::open(self).await
    }
}

/// Does not show the address, which may contain a password.
impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("connections", &self.connections)
            .field("deadline", &self.deadline)
            .field("migrates", &self.migrates)
            .finish_non_exhaustive()
    }
}
