use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use agentmail_receive::MessageKey;
use rusqlite::Transaction;
use tokio::{sync::Notify, task};

use crate::{
    filter::Filter,
    lease::{Lease, LeaseState, RowId},
    new_message::NewMessage,
    outcome::Finish,
    row::{Row, RowBody},
    sqlite::{
        clock::StoreClock,
        config::SqliteConfig,
        error::SqliteError,
        open::Database,
        operations::{FinishAll, Renew, Store},
        operators::{GiveUp, Prune, Redrive},
        reader::Reader,
        take_due::TakeDue,
        writer::{Writer, Writing},
    },
    state::{Counts, State},
    store::{BoxError, InboxStore, Page, Pruning, Stored},
    take::{Take, Taken},
};

/// Keeps the messages of one process in a file of SQLite.
///
/// A message is on the disk when its call returns: the database uses a write-ahead log, and syncs
/// the disk with each transaction. Everything that waits is written in one transaction, so 64
/// deliveries at the same time share one or two syncs.
///
/// One store owns the file: a second one, in this process or in another, is refused. Your app may
/// have connections of its own to the file, for tables of its own. While such a connection has the
/// write lock, deliveries wait, and get 503 after 2 seconds: keep its transactions short, or use
/// [`transaction`](Self::transaction).
///
/// - The file has mode 0600 when it is created. Beside it, there are files with the suffixes
///   `-wal`, `-shm` and `.lock`.
/// - If one of the first three is removed or replaced while the process uses it, deliveries get
///   503 until a restart: what is written then would be lost.
/// - Do not open the file in this process in another way than by SQLite, for example to copy it.
///   Closing it would drop the locks of SQLite. `VACUUM INTO` and `.backup` are safe.
///
/// A clone is a reference count. When the last clone is dropped, everything that waits is written.
#[derive(Debug, Clone)]
pub struct SqliteStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    writer: Writer,
    reader: Reader,
    clock: StoreClock,
    changed: Arc<Notify>,
}

impl SqliteStore {
    /// Opens the inbox at this path, or creates it.
    ///
    /// The messages of a process that has ended are due at once. A message that may have ended it
    /// again and again is delayed, by 30 seconds at most.
    ///
    /// # Errors
    ///
    /// Another process uses the file, or it cannot be read, written or created, or a newer version
    /// of this crate has written it.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, SqliteError> {
        Self::open_with(path, SqliteConfig::default()).await
    }

    /// Opens the inbox at this path with other settings.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub async fn open_with(
        path: impl AsRef<Path>,
        config: SqliteConfig,
    ) -> Result<Self, SqliteError> {
        let path: PathBuf = path.as_ref().to_owned();
        Self::start(config, move |config, clock| Database::open(&path, config.busy_timeout, clock))
            .await
    }

    /// Opens an inbox that exists, and that a receiver may own and use at the same time: for an
    /// operator's program.
    ///
    /// Unlike [`open`](Self::open), it does not make messages due whose process has ended. Do not
    /// run workers on it.
    ///
    /// # Errors
    ///
    /// The file does not exist, is not an inbox, or has the schema of another version.
    pub async fn attach(path: impl AsRef<Path>) -> Result<Self, SqliteError> {
        let path: PathBuf = path.as_ref().to_owned();
        Self::start(SqliteConfig::default(), move |config, _| {
            Database::attach(&path, config.busy_timeout)
        })
        .await
    }

    async fn start<F>(config: SqliteConfig, open: F) -> Result<Self, SqliteError>
    where
        F: FnOnce(&SqliteConfig, &StoreClock) -> Result<Database, SqliteError> + Send + 'static,
    {
        let start = move || {
            let clock = config.clock();
            let database = open(&config, &clock)?;
            let changed = Arc::<Notify>::default();
            let (reader, writing) = Writing::new(database, clock.clone(), Arc::clone(&changed));
            let writer = Writer::start(writing, &config)?;
            let reader = Reader::new(reader);
            Ok(Self(Arc::new(Inner { writer, reader, clock, changed })))
        };
        task::spawn_blocking(start).await.map_err(|_| SqliteError::Closed)?
    }

    /// Runs a closure in a transaction of its own, on the connection of the inbox. The transaction
    /// is committed if the closure succeeds, and rolled back otherwise.
    ///
    /// Use it for an effect in the file of the inbox. Deliveries and workers wait meanwhile, so the
    /// closure must be short.
    ///
    /// ```
    /// use agentmail_inbox::{BoxError, Message, SqliteStore};
    ///
    /// async fn work(store: SqliteStore, message: Message) -> Result<(), BoxError> {
    ///     store
    ///         .transaction(move |transaction| {
    ///             let kind = message.event().kind();
    ///             transaction.execute("INSERT INTO events (kind) VALUES (?1)", [kind])?;
    ///             Ok(message.finish_in(transaction)?)
    ///         })
    ///         .await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the closure, and those of the database. The closure panicked.
    pub async fn transaction<T, F>(&self, run: F) -> Result<T, BoxError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, BoxError> + Send + 'static,
    {
        self.0.writer.transaction(run).await
    }
}

impl InboxStore for SqliteStore {
    const NAME: &str = "sqlite";

    async fn store(
        &self,
        messages: Vec<NewMessage>,
    ) -> Result<Vec<Result<Stored, BoxError>>, BoxError> {
        let number = messages.len();
        let bytes = messages.iter().map(|message| message.body().len()).sum();
        Ok(self.0.writer.call(Store(messages), number, bytes).await?)
    }

    async fn take(&self, take: Take) -> Result<Vec<Taken>, BoxError> {
        Ok(self.0.writer.call(TakeDue(take), 0, 0).await?)
    }

    async fn renew(
        &self,
        leases: Vec<Lease>,
        lease: Duration,
    ) -> Result<Vec<LeaseState>, BoxError> {
        Ok(self.0.writer.call(Renew(leases, lease), 0, 0).await?)
    }

    async fn finish(&self, finished: Vec<Finish>) -> Result<Vec<LeaseState>, BoxError> {
        Ok(self.0.writer.call(FinishAll(finished), 0, 0).await?)
    }

    async fn states(&self, keys: Vec<MessageKey>) -> Result<Vec<Option<State>>, BoxError> {
        Ok(self.0.reader.states(keys).await?)
    }

    async fn counts(&self) -> Result<Counts, BoxError> {
        Ok(self.0.reader.counts().await?)
    }

    async fn due(&self) -> Result<Option<u64>, BoxError> {
        Ok(Some(self.0.reader.due(self.0.clock.now()).await?))
    }

    async fn oldest_due(&self) -> Result<Option<Duration>, BoxError> {
        Ok(self.0.reader.oldest_due(self.0.clock.now()).await?)
    }

    async fn list(&self, filter: Filter, page: Page) -> Result<Vec<Row>, BoxError> {
        Ok(self.0.reader.list(filter, page).await?)
    }

    async fn show(&self, id: RowId) -> Result<Option<RowBody>, BoxError> {
        Ok(self.0.reader.show(id).await?)
    }

    async fn redrive(&self, filter: Filter, by: String) -> Result<u64, BoxError> {
        Ok(self.0.writer.call(Redrive { filter, by }, 0, 0).await?)
    }

    async fn give_up(&self, filter: Filter, reason: String) -> Result<u64, BoxError> {
        Ok(self.0.writer.call(GiveUp { filter, reason }, 0, 0).await?)
    }

    async fn prune(&self, pruning: Pruning) -> Result<u64, BoxError> {
        Ok(self.0.writer.call(Prune(pruning), 0, 0).await?)
    }

    async fn changed(&self) {
        self.0.changed.notified().await;
    }
}
