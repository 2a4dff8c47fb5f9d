//! The published test of a claim store, on a PostgreSQL server that the test starts.
#![expect(clippy::unwrap_used, reason = "a broken test panics")]

mod server;

use std::time::Duration;

use agentmail_dedupe::{
    ClaimError, ClaimKey, ClaimOutcome, ClaimStore, Claims, Owner,
    testing::{StoreFixture, StoreTest},
};
use agentmail_examples_claim_store::PostgresStore;
use server::PostgresServer;
use tokio_postgres::{Client, NoTls};

struct OnPostgres {
    store: PostgresStore,
    client: Client,
}

impl OnPostgres {
    async fn new(server: &PostgresServer) -> Self {
        let store = PostgresStore::new(&server.url()).unwrap();
        store.create_table().await.unwrap();
        let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        Self { store, client }
    }
}

impl StoreFixture for OnPostgres {
    type Store = PostgresStore;

    async fn empty_store(&mut self) -> PostgresStore {
        self.client.execute("DELETE FROM agentmail_claims", &[]).await.unwrap();
        self.store.clone()
    }

    async fn advance(&mut self, time: Duration) {
        let sql = "UPDATE agentmail_claims SET ends_at = ends_at - make_interval(secs => $1)";
        self.client.execute(sql, &[&time.as_secs_f64()]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_follows_the_rules() {
    let server = PostgresServer::start().await.unwrap();

    StoreTest::new().run(&mut OnPostgres::new(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_deletes_what_has_ended_and_nothing_else() {
    let server = PostgresServer::start().await.unwrap();
    let mut fixture = OnPostgres::new(&server).await;
    let store = fixture.empty_store().await;
    let minute = Duration::from_secs(60);
    let [ended, lasting] = [1, 2].map(|number| ClaimKey::new("test", [number; 32]));

    store.complete(ended, Owner::random(), minute).await.unwrap();
    store.complete(lasting, Owner::random(), minute * 3).await.unwrap();
    fixture.advance(minute * 2).await;

    assert_eq!(store.prune().await.unwrap(), 1);
    let claimed = store.claim(lasting, Owner::random(), minute).await.unwrap();
    assert_eq!(claimed, ClaimOutcome::AlreadyHandled);
}

#[tokio::test]
async fn claims_work_with_this_store() {
    let server = PostgresServer::start().await.unwrap();
    let claims = Claims::new(OnPostgres::new(&server).await.store);
    let (key, fresh_for) = (ClaimKey::new("test", [7; 32]), Duration::from_secs(600));

    claims.claim(key, fresh_for).await.unwrap().complete().await;

    let copy = claims.claim(key, fresh_for).await;
    assert!(matches!(copy, Err(ClaimError::AlreadyHandled)), "{copy:?}");
}
