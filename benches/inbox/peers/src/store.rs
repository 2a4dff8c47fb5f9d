use std::time::{Duration, Instant};

use agentmail_inbox::{InboxStore, MessageKey, NewMessage, PostgresConfig, PostgresStore};
use sha2::{Digest, Sha256};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::task::JoinSet;

use crate::{BoxError, median};

const ROUND: Duration = Duration::from_millis(1_500);
const CONNECTIONS: u32 = 8;
/// What a user would write: a key, the body, and what a worker needs.
const TABLE: &str = "
    CREATE TABLE hand_written (
        message_key bytea PRIMARY KEY,
        body bytea NOT NULL,
        state smallint NOT NULL DEFAULT 0,
        attempts integer NOT NULL DEFAULT 0,
        received_at timestamptz NOT NULL DEFAULT now(),
        due_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX ON hand_written (due_at) WHERE state = 0";
const INSERT: &str =
    "INSERT INTO hand_written (message_key, body) VALUES ($1, $2) ON CONFLICT DO NOTHING";

fn key(task: u64, number: u64) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(task.to_be_bytes());
    digest.update(number.to_be_bytes());
    digest.finalize().into()
}

async fn rate<F>(
    at_once: u64,
    offset: u64,
    call: impl Fn([u8; 32]) -> F + Clone + Send + 'static,
) -> Result<(f64, f64), BoxError>
where
    F: Future<Output = Result<(), BoxError>> + Send,
{
    let (began, mut tasks) = (Instant::now(), JoinSet::new());
    for task in 0..at_once {
        let call = call.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            while began.elapsed() < ROUND {
                let own = Instant::now();
                let number = u64::try_from(times.len())?;
                call(key(offset + task, number)).await?;
                times.push(own.elapsed().as_secs_f64() * 1e3);
            }
            Ok::<_, BoxError>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(own) = tasks.join_next().await {
        times.extend(own??);
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    Ok((rate, median(&mut times)))
}

pub(crate) async fn compare(url: &str) -> Result<(), BoxError> {
    let body = "x".repeat(500);
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
    sqlx::raw_sql(TABLE).execute(&pool).await?;
    let config = PostgresConfig::new(url)?.with_connections(CONNECTIONS as usize);
    let store = config.connect().await?;
    let mut offset = 0;
    for at_once in [1, 16, 64] {
        let mut ratios = Vec::new();
        for round in 0..6 {
            offset += 1_000;
            let (store, body_of_ours) = (store.clone(), body.clone());
            let ours =
                rate(at_once, offset, move |key| ours(store.clone(), key, body_of_ours.clone()));
            let (ours, our_time) = ours.await?;
            let (pool, body) = (pool.clone(), body.clone());
            let hand = rate(at_once, offset, move |key| by_hand(pool.clone(), key, body.clone()));
            let (hand, hand_time) = hand.await?;
            println!(
                "{at_once} waiting: inbox {ours:6.0}/s ({our_time:.2} ms), \
                 sqlx INSERT {hand:6.0}/s ({hand_time:.2} ms), ratio {:.2}",
                ours / hand
            );
            if round > 0 {
                ratios.push(ours / hand);
            }
        }
        println!("{at_once} waiting: median ratio {:.2} (at least 1)", median(&mut ratios));
    }
    Ok(())
}

async fn ours(store: PostgresStore, key: [u8; 32], body: String) -> Result<(), BoxError> {
    let message = NewMessage::new(MessageKey::from_bytes(key), "mail.received", body)
        .with_agent_id("agent")
        .with_message_id("message");
    store.store(vec![message]).await?.remove(0)?;
    Ok(())
}

async fn by_hand(pool: PgPool, key: [u8; 32], body: String) -> Result<(), BoxError> {
    let query = sqlx::query(INSERT).bind(&key[..]).bind(body.as_bytes());
    query.execute(&pool).await?;
    Ok(())
}
