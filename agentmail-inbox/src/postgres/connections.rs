use std::time::Duration;

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use tokio::time::{self, Instant};
use tokio_postgres::{Config, Error as ClientError, Row, types::ToSql};

use super::{
    error::{PostgresError, PostgresErrorKind, of_pool},
    tls::Tls,
};

/// The parameters of a statement.
pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A pool whose calls have a deadline.
///
/// A call that is still running at its deadline is not cancelled on the server. Its connection is
/// closed, never given to another call.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    pool: Pool,
    deadline: Duration,
}

/// How long an operator's call may take: it may read the whole table.
const OPERATOR_DEADLINE: Duration = Duration::from_secs(120);

impl Connections {
    pub(super) fn new(
        mut config: Config,
        tls: Tls,
        most: usize,
        deadline: Duration,
    ) -> Result<Self, PostgresError> {
        // A statement that the server ends has no effect, and its connection can be used again.
        add_options(&mut config, deadline.mul_f32(0.4), "on");
        set_timeouts(&mut config, deadline);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let pool = Pool::builder(Manager::from_config(config, tls, recycling))
            .max_size(most)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| PostgresError::new(PostgresErrorKind::Setting, error.to_string()))?;
        Ok(Self { pool, deadline })
    }

    /// Carries out a statement.
    pub(super) async fn query(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, PostgresError> {
        let call = Call::begin(&self.pool, self.deadline).await?;
        let rows = call.within(async {
            let statement = call.client().prepare_cached(sql).await?;
            call.client().query(&statement, parameters).await
        });
        let rows = rows.await;
        call.end(rows)
    }

    /// Carries out a statement of an operator, which may take minutes.
    pub(super) async fn slow_query(
        &self,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, PostgresError> {
        let call = Call::begin(&self.pool, OPERATOR_DEADLINE).await?;
        let rows = call.within(async {
            let client = call.client();
            let limit = OPERATOR_DEADLINE.mul_f32(0.9).as_millis();
            client.batch_execute(&format!("BEGIN; SET LOCAL statement_timeout = {limit}")).await?;
            match client.query(sql, parameters).await {
                Ok(rows) => client.batch_execute("COMMIT").await.map(|()| rows),
                Err(error) => client.batch_execute("ROLLBACK").await.and(Err(error)),
            }
        });
        let rows = rows.await;
        call.end(rows)
    }

    /// Takes a connection for several statements of an operator.
    pub(super) async fn operate(&self) -> Result<Call, PostgresError> {
        Call::begin(&self.pool, OPERATOR_DEADLINE).await
    }
}

/// A connection for one call. It is closed unless the call ends in time.
pub(super) struct Call {
    client: Option<Client>,
    end: Instant,
    deadline: Duration,
}

impl Call {
    async fn begin(pool: &Pool, deadline: Duration) -> Result<Self, PostgresError> {
        let end = Instant::now() + deadline;
        let wait = deadline.mul_f32(0.5);
        let timeouts =
            Timeouts { wait: Some(wait), create: Some(deadline), recycle: Some(deadline) };
        let client = time::timeout_at(end, pool.timeout_get(&timeouts)).await;
        let client = client.map_err(|_| PostgresError::timed_out(deadline))?.map_err(of_pool)?;
        Ok(Self { client: Some(client), end, deadline })
    }

    pub(super) fn client(&self) -> &Client {
        self.client.as_ref().expect("it is taken by `end` only")
    }

    pub(super) async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, PostgresError> {
        match time::timeout_at(self.end, call).await {
            Ok(result) => result.map_err(PostgresError::from),
            Err(_) => Err(PostgresError::timed_out(self.deadline)),
        }
    }

    /// Returns the connection to the pool if nothing runs on it.
    pub(super) fn end<T>(mut self, result: Result<T, PostgresError>) -> Result<T, PostgresError> {
        let is_idle = match &result {
            Ok(_) => true,
            Err(error) => error.leaves_connection_idle(),
        };
        if is_idle {
            drop(self.client.take());
        }
        result
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // The caller gave up, or the deadline has passed.
        if let Some(client) = self.client.take() {
            drop(Client::take(client));
        }
    }
}

/// Adds settings of the session to those of the address. A later one takes precedence.
pub(super) fn add_options(config: &mut Config, statement_timeout: Duration, commit: &str) {
    let own = format!(
        "-c statement_timeout={} -c synchronous_commit={commit} \
         -c idle_in_transaction_session_timeout=60000",
        statement_timeout.as_millis().max(1),
    );
    let options = config.get_options().map_or(own.clone(), |options| format!("{options} {own}"));
    config.options(options);
}

/// A server that disappears is noticed after seconds. The default is a quarter of an hour.
pub(super) fn set_timeouts(config: &mut Config, deadline: Duration) {
    if config.get_application_name().is_none() {
        config.application_name("agentmail-inbox");
    }
    config
        .connect_timeout(deadline.mul_f32(0.5))
        .tcp_user_timeout(deadline * 2)
        .keepalives_idle(Duration::from_secs(5));
}
