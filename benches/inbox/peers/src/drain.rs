use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use agentmail_inbox::{
    BoxError as WorkError, Inbox, InboxStore, MessageKey, NewMessage, PostgresStore,
};
use apalis::prelude::{TaskSink, WorkerBuilder};
use apalis_postgres::{Config, PostgresStorage};
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, RawJobSpec, TaskHandler, WorkerContext,
    WorkerOptions,
};
use sha2::{Digest, Sha256};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::time;

use crate::{BoxError, median};

/// How many jobs are drained in one round.
const JOBS: u64 = 20_000;
const CONNECTIONS: u32 = 8;

#[derive(Clone, Debug)]
struct Completed(Arc<AtomicU64>);

#[derive(serde::Serialize, serde::Deserialize, Debug)]
struct NoOp {
    body: String,
}

impl TaskHandler for NoOp {
    const IDENTIFIER: &'static str = "no_op";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        if let Some(completed) = context.get_ext::<Completed>() {
            completed.0.fetch_add(1, Ordering::Relaxed);
        }
        Ok::<(), String>(())
    }
}

/// A body that all parse: an event for us, a text for the others.
fn body(number: u64) -> String {
    let rest = "x".repeat(400);
    format!(
        r#"{{"type":"mail.received","agent_id":"agent","message_id":"m-{number}","text":"{rest}"}}"#
    )
}

/// Waits until a query counts no more jobs, and returns the jobs per second.
async fn drained(pool: &PgPool, began: Instant, left: &'static str) -> Result<f64, BoxError> {
    loop {
        let (left,): (i64,) = sqlx::query_as(left).fetch_one(pool).await?;
        if left == 0 {
            return Ok(JOBS as f64 / began.elapsed().as_secs_f64());
        }
        time::sleep(Duration::from_millis(20)).await;
    }
}

async fn inbox(url: &str, pool: &PgPool, round: u64, concurrency: usize) -> Result<f64, BoxError> {
    let store = PostgresStore::connect(url).await?;
    let message = |number: u64| {
        let key = Sha256::digest([round.to_be_bytes(), number.to_be_bytes()].concat());
        NewMessage::new(MessageKey::from_bytes(key.into()), "mail.received", body(number))
            .with_agent_id("agent")
    };
    for first in (0..JOBS).step_by(1_000) {
        let messages = (first..first + 1_000).map(message).collect();
        for stored in store.store(messages).await? {
            stored?;
        }
    }
    sqlx::raw_sql("VACUUM ANALYZE agentmail_inbox").execute(pool).await?;
    let worker = Inbox::new(store).worker(|_| async { Ok::<(), WorkError>(()) });
    let began = Instant::now();
    let workers = worker.with_concurrency(concurrency).spawn();
    let left = "SELECT count(*) FROM agentmail_inbox WHERE state < 2";
    let rate = drained(pool, began, left).await?;
    _ = workers.drain(Duration::from_secs(5)).await;
    Ok(rate)
}

/// `is_fast`: with the settings of its own benchmark.
async fn graphile(pool: &PgPool, concurrency: usize, is_fast: bool) -> Result<f64, BoxError> {
    let completed = Completed(Arc::default());
    let mut options = WorkerOptions::default()
        .pg_pool(pool.clone())
        .schema("graphile_worker")
        .concurrency(concurrency)
        .poll_interval(Duration::from_millis(5))
        .add_extension(completed)
        .define_job::<NoOp>();
    if is_fast {
        options = options
            .complete_job_batch_delay(Duration::from_millis(5))
            .local_queue(LocalQueueConfig::default().with_size(5_000));
    }
    let worker = Arc::new(options.init().await?);
    let utils = worker.create_utils();
    for first in (0..JOBS).step_by(1_000) {
        let job = |number| RawJobSpec {
            identifier: NoOp::IDENTIFIER.to_owned(),
            payload: serde_json::json!({ "body": body(number) }),
            spec: JobSpec::default(),
        };
        let jobs: Vec<_> = (first..first + 1_000).map(job).collect();
        utils.add_raw_jobs(&jobs).await?;
    }
    sqlx::raw_sql("VACUUM ANALYZE graphile_worker._private_jobs").execute(pool).await?;
    let running = Arc::clone(&worker);
    let began = Instant::now();
    let task = tokio::spawn(async move { running.run().await.map_err(|error| error.to_string()) });
    let rate = drained(pool, began, "SELECT count(*) FROM graphile_worker._private_jobs").await?;
    worker.request_shutdown();
    task.await??;
    Ok(rate)
}

async fn apalis(pool: &PgPool, round: u64) -> Result<f64, BoxError> {
    let config = Config::default().queue(format!("queue-{round}")).batch_size(100);
    let mut backend: PostgresStorage<String> = PostgresStorage::new(pool).with_config(config);
    for first in (0..JOBS).step_by(1_000) {
        let mut jobs = futures::stream::iter((first..first + 1_000).map(body));
        backend.push_stream(&mut jobs).await?;
    }
    sqlx::raw_sql("VACUUM ANALYZE apalis.jobs").execute(pool).await?;
    let began = Instant::now();
    let worker = WorkerBuilder::new(format!("worker-{round}"))
        .backend(backend)
        .build(|_: String| async { Ok::<(), BoxError>(()) });
    let task = tokio::spawn(worker.run());
    let left = "SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'";
    let rate = drained(pool, began, left).await?;
    task.abort();
    Ok(rate)
}

pub(crate) async fn compare(url: &str) -> Result<(), BoxError> {
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
    PostgresStorage::setup(&pool).await?;
    let mut rates = [Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for round in 0..4 {
        let [default, many] =
            [inbox(url, &pool, round * 2, 16).await?, inbox(url, &pool, round * 2 + 1, 500).await?];
        let [few, fast] = [graphile(&pool, 16, false).await?, graphile(&pool, 500, true).await?];
        let apalis = apalis(&pool, round).await?;
        println!(
            "{JOBS} no-op jobs: inbox {default:.0}/s with 16 at once, {many:.0}/s with 500; \
             graphile_worker {few:.0}/s with 16, {fast:.0}/s with 500 and its fastest settings; \
             apalis-postgres {apalis:.0}/s"
        );
        if round > 0 {
            for (all, rate) in rates.iter_mut().zip([default, many, few, fast, apalis]) {
                all.push(rate);
            }
        }
    }
    let [default, many, few, fast, apalis] = rates.each_mut().map(|rates| median(rates));
    println!(
        "medians: inbox {default:.0} and {many:.0}, graphile_worker {few:.0} and {fast:.0}, \
         apalis-postgres {apalis:.0} jobs/s"
    );
    Ok(())
}
