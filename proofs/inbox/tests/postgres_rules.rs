//! The published test of a store, on a PostgreSQL server that the test starts.
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

use std::time::Duration;

use agentmail_inbox::{
    PostgresConfig, PostgresStore, RowId,
    testing::{StoreFixture, StoreTest, WorkerTest},
};
use agentmail_inbox_proofs::PostgresServer;
use tokio_postgres::{Client, NoTls};

struct OnPostgres {
    server: PostgresServer,
    client: Client,
}

impl OnPostgres {
    async fn new() -> Self {
        let server = PostgresServer::start(&[]).unwrap();
        let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        Self { server, client }
    }

    async fn open(&self) -> PostgresStore {
        let config = PostgresConfig::new(&self.server.url()).unwrap();
        config.with_connections(4).connect().await.unwrap()
    }

    async fn shift(&self, seconds: f64) {
        let shift = "
            UPDATE agentmail_inbox SET
                received_at = received_at + make_interval(secs => $1),
                due_at = due_at + make_interval(secs => $1),
                redriven_at = redriven_at + make_interval(secs => $1)";
        self.client.execute(shift, &[&seconds]).await.unwrap();
    }
}

impl StoreFixture for OnPostgres {
    type Store = PostgresStore;

    async fn empty_store(&mut self) -> PostgresStore {
        let store = self.open().await;
        self.client.batch_execute("TRUNCATE agentmail_inbox RESTART IDENTITY").await.unwrap();
        store
    }

    async fn reopen(&mut self, store: PostgresStore) -> (PostgresStore, bool) {
        drop(store);
        // Another process may have the leases.
        (self.open().await, false)
    }

    async fn advance(&mut self, _: &PostgresStore, time: Duration) {
        if time >= Duration::from_secs(1) {
            self.shift(-time.as_secs_f64()).await;
        }
    }

    async fn set_clock_back(&mut self, _: &PostgresStore, by: Duration) -> bool {
        self.shift(by.as_secs_f64()).await;
        true
    }

    async fn damage(&mut self, _: &PostgresStore, id: RowId) {
        let damage = "UPDATE agentmail_inbox SET message_key = '\\x00' WHERE id = $1";
        self.client.execute(damage, &[&id.get()]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_follows_the_rules() {
    StoreTest::new().run(&mut OnPostgres::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_on_postgres_keep_their_promises() {
    WorkerTest::new().run(&mut OnPostgres::new().await).await;
}
