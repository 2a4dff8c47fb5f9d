//! The rules of `InboxStore`, on SQLite.
#![expect(clippy::unwrap_used, reason = "a failed test panics, and says why")]

mod folder;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use agentmail_inbox::{
    RowId, SqliteConfig, SqliteStore,
    testing::{ManualClock, StoreFixture, StoreTest, WorkerTest},
};

use self::folder::Folder;

struct Sqlite {
    folder: Folder,
    clock: ManualClock,
    /// The time of day, and the time that had passed, when the store was opened.
    opened: (SystemTime, Duration),
}

impl Sqlite {
    fn new() -> Self {
        let opened = (UNIX_EPOCH, Duration::ZERO);
        Self { folder: Folder::new(), clock: ManualClock::new(), opened }
    }

    async fn open(&mut self) -> SqliteStore {
        self.opened = (self.clock.time_of_day(), self.clock.elapsed());
        let config = SqliteConfig::default().with_clock(&self.clock);
        SqliteStore::open_with(self.folder.path("inbox.db"), config).await.unwrap()
    }
}

impl StoreFixture for Sqlite {
    type Store = SqliteStore;

    async fn empty_store(&mut self) -> SqliteStore {
        self.folder = Folder::new();
        self.clock = ManualClock::new();
        self.open().await
    }

    async fn reopen(&mut self, store: SqliteStore) -> (SqliteStore, bool) {
        // If the clock was set back, a store does not know how much time has passed since the last
        // write, and lets messages wait for longer. So this writes the time of the store.
        let passed = self.clock.elapsed() - self.opened.1;
        let now = (self.opened.0 + passed).duration_since(UNIX_EPOCH).unwrap().as_millis();
        let write = format!("UPDATE agentmail_inbox_clock SET written_at = {now}");
        let written = store.transaction(move |transaction| Ok(transaction.execute(&write, [])?));
        assert_eq!(written.await.unwrap(), 1);
        drop(store);
        (self.open().await, true)
    }

    async fn advance(&mut self, _: &SqliteStore, time: Duration) {
        self.clock.advance(time);
    }

    async fn set_clock_back(&mut self, _: &SqliteStore, by: Duration) -> bool {
        self.clock.set_back(by);
        false
    }

    async fn damage(&mut self, store: &SqliteStore, id: RowId) {
        store
            .transaction(move |transaction| {
                transaction.pragma_update(None, "ignore_check_constraints", true)?;
                transaction.execute(
                    "UPDATE agentmail_inbox SET message_key = x'00' WHERE id = ?1",
                    [id.get()],
                )?;
                Ok(transaction.pragma_update(None, "ignore_check_constraints", false)?)
            })
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_follows_the_rules() {
    StoreTest::new().with_seed(1).run(&mut Sqlite::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_keep_their_promises_on_sqlite() {
    WorkerTest::new().run(&mut Sqlite::new()).await;
}
