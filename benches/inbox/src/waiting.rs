use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use agentmail_inbox::{InboxStore, NewMessage, SqliteStore, rusqlite::Connection};
use tokio::task::{self, JoinSet};

use crate::{BoxError, disk, median, message::message};

const AT_ONCE: usize = 64;

/// One commit for each message: the same table and settings, behind a lock.
#[derive(Clone)]
pub(crate) struct OneByOne(Arc<Mutex<Connection>>);

impl OneByOne {
    pub(crate) async fn open(path: &Path) -> Result<Self, BoxError> {
        // Creates the tables.
        drop(SqliteStore::open(path).await?);
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    async fn store(&self, message: NewMessage) -> Result<(), BoxError> {
        let own = self.clone();
        task::spawn_blocking(move || own.insert(&message)).await?
    }

    fn insert(&self, message: &NewMessage) -> Result<(), BoxError> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut insert = connection.prepare_cached(
            "INSERT INTO agentmail_inbox
                 (message_key, due_at, received_at, fresh_for, kind, agent_key, agent_id,
                  message_id, body)
             VALUES (?1, 0, 0, 0, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?;
        insert.execute((
            message.key().as_bytes(),
            message.kind(),
            message.agent_key(),
            message.agent_id(),
            message.message_id(),
            &message.body()[..],
        ))?;
        Ok(())
    }
}

async fn store_one(store: &SqliteStore) -> Result<(), BoxError> {
    store.store(vec![message()]).await?.remove(0)?;
    Ok(())
}

/// Runs a call 64 times at once for this time. Returns the calls per second.
pub(crate) async fn rate<F>(
    time: Duration,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> Result<f64, BoxError>
where
    F: Future<Output = Result<(), BoxError>> + Send,
{
    let (began, mut tasks) = (Instant::now(), JoinSet::new());
    for _ in 0..AT_ONCE {
        let call = call.clone();
        tasks.spawn(async move {
            let mut calls = 0_u32;
            while began.elapsed() < time {
                call().await?;
                calls = calls.saturating_add(1);
            }
            Ok::<_, BoxError>(calls)
        });
    }
    let mut all = 0_u32;
    while let Some(calls) = tasks.join_next().await {
        all = all.saturating_add(calls??);
    }
    Ok(f64::from(all) / began.elapsed().as_secs_f64())
}

/// Runs a call this many times, 64 at once. Returns the calls per second.
pub(crate) async fn rate_of<F>(
    number: u32,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> Result<f64, BoxError>
where
    F: Future<Output = Result<(), BoxError>> + Send,
{
    let (began, mut tasks) = (Instant::now(), JoinSet::new());
    let own = number / u32::try_from(AT_ONCE)?;
    for _ in 0..AT_ONCE {
        let call = call.clone();
        tasks.spawn(async move {
            for _ in 0..own {
                call().await?;
            }
            Ok::<(), BoxError>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(f64::from(number) / began.elapsed().as_secs_f64())
}

/// 64 waiting: the rates of groups, and of one commit each.
pub(crate) async fn many(folder: &Path) -> Result<(), BoxError> {
    const ROUND: Duration = Duration::from_millis(1_000);
    let groups = SqliteStore::open(folder.join("groups.db")).await?;
    let one_by_one = OneByOne::open(&folder.join("one-by-one.db")).await?;
    let mut ratios = Vec::new();
    for round in 0..6 {
        let syncs = disk::syncs_per_second(folder)?;
        let store = groups.clone();
        let together = rate(ROUND, move || {
            let store = store.clone();
            async move { store_one(&store).await }
        });
        let together = together.await?;
        let store = one_by_one.clone();
        let single = rate(ROUND, move || {
            let store = store.clone();
            async move { store.store(message()).await }
        });
        let single = single.await?;
        println!(
            "64 waiting: groups {together:7.0}/s, one commit each {single:6.0}/s, ratio {:5.1}; \
             the disk syncs {syncs:.0}/s",
            together / single
        );
        if round > 0 {
            ratios.push(together / single);
        }
    }
    let ratio = median(&mut ratios);
    println!("64 waiting: median ratio {ratio:.1} (at least 5, where a sync takes 100 us or more)");
    Ok(())
}

/// One waiting: the latencies of the store, and of a commit.
pub(crate) async fn lone(folder: &Path) -> Result<(), BoxError> {
    let groups = SqliteStore::open(folder.join("lone-groups.db")).await?;
    let one_by_one = OneByOne::open(&folder.join("lone-one-by-one.db")).await?;
    let mut ratios = Vec::new();
    for round in 0..9 {
        let syncs = disk::syncs_per_second(folder)?;
        let (mut together, mut single) = (Vec::new(), Vec::new());
        // In turns, because the speed of the disk changes.
        for _ in 0..1_000 {
            let began = Instant::now();
            store_one(&groups).await?;
            together.push(began.elapsed().as_secs_f64() * 1e6);
            let began = Instant::now();
            one_by_one.store(message()).await?;
            single.push(began.elapsed().as_secs_f64() * 1e6);
        }
        let (together, single) = (median(&mut together), median(&mut single));
        println!(
            "one waiting: median {together:.0} us, one commit {single:.0} us, ratio {:.2}; \
             the disk syncs {syncs:.0}/s",
            together / single
        );
        if round > 0 {
            ratios.push(together / single);
        }
    }
    println!("one waiting: median ratio {:.2} (at most 1.2)", median(&mut ratios));
    Ok(())
}

/// 64 waiting: stores messages, for a count of the syncs.
pub(crate) async fn count(folder: &Path, number: u32) -> Result<(), BoxError> {
    let store = SqliteStore::open(folder.join("count.db")).await?;
    let stored = rate_of(number, move || {
        let store = store.clone();
        async move { store_one(&store).await }
    });
    stored.await.map(drop)
}
