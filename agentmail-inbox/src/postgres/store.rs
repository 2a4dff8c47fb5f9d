use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use agentmail_receive::MessageKey;
use tokio_postgres::{Row as SqlRow, types::ToSql};

use super::{
    batches::Batches,
    changes::Changes,
    config::PostgresConfig,
    connections::{Connections, Parameters},
    error::PostgresError,
    lost_takes::LostTakes,
    rows::{self, seconds},
    schema, statements,
    tls::{self, Tls},
};
use crate::{
    filter::Filter,
    lease::{Lease, LeaseState, RowId},
    limits::{LONGEST_LEASE, LONGEST_PAUSE},
    new_message::NewMessage,
    outcome::{Finish, Outcome},
    row::{Row, RowBody},
    state::{Counts, State},
    store::{BoxError, InboxStore, Page, Pruning, Stored},
    take::{Take, Taken},
};

/// Keeps messages in a PostgreSQL database, for any number of processes.
///
/// ```no_run
/// # async fn open() -> Result<(), agentmail_inbox::PostgresError> {
/// use agentmail_inbox::PostgresStore;
///
/// let store = PostgresStore::connect("postgres://app@localhost/app").await?;
/// # Ok(())
/// # }
/// ```
///
/// # The server
///
/// - **Durability**: a stored message is in the write-ahead log on disk. The store sets
///   `synchronous_commit = on` on its connections, and refuses a server whose `fsync` is off. A
///   *failover* to a replica that is asynchronous loses what the replica lacks: set
///   `synchronous_standby_names`.
/// - **Version**: PostgreSQL 12 or newer.
/// - **Permissions**: the user may create tables in the first schema of its `search_path`, or the
///   tables are there: see [`PostgresConfig::without_migrations`].
/// - **TLS** needs the feature `postgres-tls`. It trusts the certificates of the system, or those
///   of the file in the variable `SSL_CERT_FILE`, and always checks the name. With
///   `sslmode=require`, there is no connection without TLS.
/// - **A pooler** in front of the server must pass on the parameter `options` of a new connection,
///   which sets `synchronous_commit` and the time limit of statements, and must keep a session for
///   each connection. `PgBouncer` does neither in its mode `transaction`.
/// - **Clock**: all times are those of the server.
///
/// # When the server fails
///
/// Each call has a deadline. A call that is over its deadline fails, and its connection is closed.
/// The store connects again at the next call. A clone is a handle to the same connections.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    connections: Connections,
    batches: Arc<Batches>,
    changes: Arc<Changes>,
    lost_takes: LostTakes,
}

impl PostgresStore {
    /// Connects with the default settings, checks the server, and creates or changes the tables.
    /// See [`PostgresConfig`].
    ///
    /// # Errors
    ///
    /// The address is malformed. The server cannot be reached, refuses the user, can lose a
    /// confirmed transaction, or has tables of a newer release.
    pub async fn connect(address: &str) -> Result<Self, PostgresError> {
        PostgresConfig::new(address)?.connect().await
    }

    /// Returns the scripts that create and change the tables, in their order. The first one creates
    /// version 1.
    ///
    /// For [`PostgresConfig::without_migrations`]: apply each one once, and insert its number into
    /// this table, which the scripts do not create:
    ///
    /// ```sql
    /// CREATE TABLE agentmail_inbox_schema (
    ///     version integer PRIMARY KEY,
    ///     applied_at timestamptz NOT NULL DEFAULT now()
    /// );
    /// ```
    #[must_use]
    pub const fn migrations() -> &'static [&'static str] {
        &statements::MIGRATIONS
    }

    pub(super) async fn open(config: PostgresConfig) -> Result<Self, PostgresError> {
        let PostgresConfig { server, connections, deadline, migrates } = config;
        let tls = tls::connector(&server)?;
        let connections =
            Connections::new(server.clone(), Tls::clone(&tls), connections, deadline)?;
        schema::check_server(&connections).await?;
        schema::migrate(&connections, migrates).await?;
        let changes = Arc::new(Changes::listen(server, tls, deadline));
        let batches = Arc::new(Batches::new(connections.clone(), Arc::clone(&changes)));
        let lost_takes = LostTakes::default();
        Ok(Self { shared: Arc::new(Shared { connections, batches, changes, lost_takes }) })
    }

    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<SqlRow>, PostgresError> {
        self.shared.connections.query(sql, parameters).await
    }

    pub(super) async fn end(&self, finished: &[Finish]) -> Result<Vec<LeaseState>, PostgresError> {
        if finished.is_empty() {
            return Ok(Vec::new());
        }
        let leases: Vec<_> = finished.iter().map(Finish::lease).collect();
        // Of two outcomes of one attempt, the first one is recorded. The statement could choose
        // either.
        let mut seen = HashSet::new();
        let finished: Vec<_> =
            finished.iter().filter(|finish| seen.insert(finish.lease())).collect();
        let recorded: Vec<_> = finished.iter().map(|finish| finish.lease()).collect();
        let (ids, takes) = columns(&recorded);
        let (mut states, mut pauses, mut reasons, mut began) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for finish in finished {
            let (state, pause, reason, has_begun) = match finish.outcome() {
                Outcome::Done => (State::Done, Duration::ZERO, None, true),
                Outcome::Retry { pause, reason } => {
                    (State::Waiting, *pause, Some(reason.as_str()), true)
                }
                Outcome::Dead { reason } => {
                    (State::Dead, Duration::ZERO, Some(reason.as_str()), true)
                }
                Outcome::Returned => (State::Waiting, Duration::ZERO, None, false),
            };
            states.push(state.number());
            pauses.push(seconds(pause.min(LONGEST_PAUSE)));
            reasons.push(reason);
            began.push(has_begun);
        }
        let rows = self
            .query(statements::FINISH, &[&ids, &takes, &states, &pauses, &reasons, &began])
            .await?;
        Ok(held(&leases, &rows))
    }

    /// Carries out a statement of an operator that returns a count.
    async fn count(&self, sql: &str, parameters: Parameters<'_>) -> Result<u64, PostgresError> {
        let rows = self.shared.connections.slow_query(sql, parameters).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    async fn change(&self, sql: &str, filter: &Filter, text: &str) -> Result<u64, PostgresError> {
        let key = filter.key();
        let filter = Columns::of(filter, &key);
        let parameters = [&filter.parameters()[..], &[&text]].concat();
        self.count(sql, &parameters).await
    }
}

impl InboxStore for PostgresStore {
    const NAME: &str = "postgres";

    async fn store(
        &self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Result<Stored, BoxError>>, BoxError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let stored = self.shared.batches.store(messages).await?;
        Ok(stored.into_iter().map(|stored| stored.map_err(BoxError::from)).collect())
    }

    async fn take(&self, take: Take) -> Result<Vec<Taken>, BoxError> {
        let Shared { connections, lost_takes, .. } = &*self.shared;
        if take.limit() == 0 {
            return Ok(Vec::new());
        }
        lost_takes.return_late(connections).await?;
        let running = lost_takes.begin(take.token());
        let taken = if take.is_repeated() {
            let _turn = lost_takes.repeat(take.token()).await;
            let mut taken = self.taken_under(&take).await?;
            if taken.is_empty() {
                taken = self.take_due(&take).await?;
            }
            lost_takes.handed_out(take.token(), &taken);
            taken
        } else {
            self.take_due(&take).await?
        };
        running.end();
        Ok(taken)
    }

    async fn renew(
        &self,
        leases: Vec<Lease>,
        lease: Duration,
    ) -> Result<Vec<LeaseState>, BoxError> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let (ids, takes) = columns(&leases);
        let lease = seconds(lease.min(LONGEST_LEASE));
        let rows = self.query(statements::RENEW, &[&ids, &takes, &lease]).await?;
        Ok(held(&leases, &rows))
    }

    async fn finish(&self, finished: Vec<Finish>) -> Result<Vec<LeaseState>, BoxError> {
        Ok(self.end(&finished).await?)
    }

    async fn states(&self, keys: Vec<MessageKey>) -> Result<Vec<Option<State>>, BoxError> {
        let bytes: Vec<&[u8]> = keys.iter().map(|key| &key.as_bytes()[..]).collect();
        let rows = self.shared.connections.slow_query(statements::STATES, &[&bytes]).await?;
        let mut found = HashMap::new();
        for row in &rows {
            let state = State::from_number(row.try_get(1)?);
            found.extend(rows::key(row, 0).zip(state));
        }
        Ok(keys.iter().map(|key| found.get(key).copied()).collect())
    }

    async fn counts(&self) -> Result<Counts, BoxError> {
        let rows = self.shared.connections.slow_query(statements::COUNTS, &[]).await?;
        let mut counts = Counts::default();
        for row in &rows {
            let count: i64 = row.try_get(1)?;
            if let Some(state) = State::from_number(row.try_get(0)?) {
                counts = counts.with(state, u64::try_from(count).unwrap_or_default());
            }
        }
        Ok(counts)
    }

    async fn due(&self) -> Result<Option<u64>, BoxError> {
        let rows = self.shared.connections.slow_query(statements::DUE, &[]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let due: i64 = row.try_get(0)?;
        Ok(u64::try_from(due).ok())
    }

    async fn oldest_due(&self) -> Result<Option<Duration>, BoxError> {
        let rows = self.shared.connections.slow_query(statements::OLDEST_DUE, &[]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let age: Option<f64> = row.try_get(0)?;
        Ok(age.map(|age| Duration::try_from_secs_f64(age).unwrap_or_default()))
    }

    async fn list(&self, filter: Filter, page: Page) -> Result<Vec<Row>, BoxError> {
        let key = filter.key();
        let filter = Columns::of(&filter, &key);
        let (after, limit) = (page.start().map(RowId::get), bigint(page.limit()));
        let parameters = [&filter.parameters()[..], &[&after, &limit]].concat();
        let rows = self.shared.connections.slow_query(statements::LIST, &parameters).await?;
        Ok(rows.iter().map(rows::listed).collect::<Result<_, _>>()?)
    }

    async fn show(&self, id: RowId) -> Result<Option<RowBody>, BoxError> {
        let rows = self.query(statements::SHOW, &[&id.get()]).await?;
        Ok(rows.first().map(rows::shown).transpose()?)
    }

    async fn redrive(&self, filter: Filter, by: String) -> Result<u64, BoxError> {
        let redriven = self.change(statements::REDRIVE, &filter, &by).await?;
        if redriven > 0 {
            self.shared.changes.announce();
        }
        Ok(redriven)
    }

    async fn give_up(&self, filter: Filter, reason: String) -> Result<u64, BoxError> {
        Ok(self.change(statements::GIVE_UP, &filter, &reason).await?)
    }

    async fn prune(&self, pruning: Pruning) -> Result<u64, BoxError> {
        let (done, dead) = (seconds(pruning.done_after()), pruning.dead_after().map(seconds));
        let limit = bigint(pruning.limit());
        Ok(self.count(statements::PRUNE, &[&done, &dead, &limit]).await?)
    }

    async fn changed(&self) {
        self.shared.changes.changed().await;
    }
}

/// Does not show the address, which may contain a password.
impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

/// A filter, as the parameters of the statements.
struct Columns<'a> {
    id: Option<i64>,
    key: Option<&'a [u8]>,
    state: Option<i16>,
    kind: Option<&'a str>,
    agent_key: Option<&'a [u8]>,
    received_from: Option<SystemTime>,
    received_before: Option<SystemTime>,
}

impl<'a> Columns<'a> {
    fn of(filter: &'a Filter, key: &'a Option<MessageKey>) -> Self {
        Self {
            id: filter.id().map(RowId::get),
            key: key.as_ref().map(|key| &key.as_bytes()[..]),
            state: filter.state().map(State::number),
            kind: filter.kind(),
            agent_key: filter.agent_key().map(|key| &key[..]),
            received_from: filter.received_from(),
            received_before: filter.received_before(),
        }
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 7] {
        let Self { id, key, state, kind, agent_key, received_from, received_before } = self;
        [id, key, state, kind, agent_key, received_from, received_before]
    }
}

fn columns(leases: &[Lease]) -> (Vec<i64>, Vec<i64>) {
    leases.iter().map(|lease| (lease.id().get(), lease.take())).unzip()
}

/// Returns which leases are among these rows.
fn held(leases: &[Lease], rows: &[SqlRow]) -> Vec<LeaseState> {
    let lease =
        |row: &SqlRow| Some(Lease::new(RowId::new(row.try_get(0).ok()?), row.try_get(1).ok()?));
    let held: HashSet<_> = rows.iter().filter_map(lease).collect();
    let state = |lease| if held.contains(lease) { LeaseState::Held } else { LeaseState::Lost };
    leases.iter().map(state).collect()
}

pub(super) fn bigint(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
