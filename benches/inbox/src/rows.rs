use std::{
    path::Path,
    time::{Duration, Instant},
};

use agentmail_inbox::{InboxStore, SqliteStore, Take, TakeToken, rusqlite::Connection};

use crate::{BoxError, disk, median, message::message, waiting};

/// How many messages wait in each file.
const WAITING: u32 = 20_000;

/// Creates a file with messages that are done, and some that wait. Their keys are random.
pub(crate) async fn fill(file: &Path, rows: u32) -> Result<(), BoxError> {
    drop(SqliteStore::open(file).await?);
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    let waits = |from: u32, to: u32, state: u8| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {to})
             INSERT INTO agentmail_inbox
                 (message_key, state, due_at, received_at, fresh_for, kind, agent_key, agent_id,
                  message_id, body)
             SELECT randomblob(32), {state}, 1700000000000 + i, 1700000000000 + i, 600000,
                    'mail.received', CAST('12345678901234567890123456789012' AS BLOB), 'agent',
                    'm-' || i, CAST(substr(hex(zeroblob(120)), 1, 150) AS BLOB)
             FROM n"
        )
    };
    let done = rows.saturating_sub(WAITING);
    let mut from = 0;
    while from < done {
        let to = done.min(from.saturating_add(500_000));
        connection.execute_batch(&waits(from, to, 2))?;
        from = to;
    }
    connection.execute_batch(&waits(done, done.saturating_add(WAITING), 0))?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

/// Compares a store with few rows and one with many, in turns, with a fixed number of calls.
pub(crate) async fn compare(small: &Path, large: &Path) -> Result<(), BoxError> {
    let folder = small.parent().ok_or("a file has no folder")?;
    let stores = [SqliteStore::open(small).await?, SqliteStore::open(large).await?];
    let (mut store_ratios, mut take_ratios, mut rate_ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..6 {
        let syncs = disk::syncs_per_second(folder)?;
        let (mut stored, mut taken) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for _ in 0..500 {
            for (at, store) in stores.iter().enumerate() {
                let began = Instant::now();
                store.store(vec![message()]).await?.remove(0)?;
                let time = began.elapsed().as_secs_f64() * 1e6;
                stored.get_mut(at).ok_or("two stores")?.push(time);
            }
            for (at, store) in stores.iter().enumerate() {
                let take = Take::new(TakeToken::random(), 1, Duration::from_secs(3_600));
                let began = Instant::now();
                let found = store.take(take).await?;
                let time = began.elapsed().as_secs_f64() * 1e6;
                if found.len() != 1 {
                    return Err("nothing was due".into());
                }
                taken.get_mut(at).ok_or("two stores")?.push(time);
            }
        }
        let [[few, many], [take_few, take_many]] =
            [&mut stored, &mut taken].map(|[few, many]| [median(few), median(many)]);
        let mut rates = Vec::new();
        for store in &stores {
            let store = store.clone();
            // Few rows stay few: a fixed number of calls.
            rates.push(
                waiting::rate_of(10_000, move || {
                    let store = store.clone();
                    async move {
                        store.store(vec![message()]).await?.remove(0)?;
                        Ok(())
                    }
                })
                .await?,
            );
        }
        let [rate_few, rate_many] = rates[..] else { return Err("two stores".into()) };
        println!(
            "store {few:.0} and {many:.0} us, ratio {:.2}; \
             take {take_few:.0} and {take_many:.0} us, ratio {:.2}; \
             groups {rate_few:.0} and {rate_many:.0}/s, ratio {:.2}; \
             the disk syncs {syncs:.0}/s",
            many / few,
            take_many / take_few,
            rate_many / rate_few
        );
        if round > 0 {
            store_ratios.push(many / few);
            take_ratios.push(take_many / take_few);
            rate_ratios.push(rate_many / rate_few);
        }
    }
    println!(
        "medians: store {:.2} (at most 1.3), take {:.2} (at most 1.6), \
         groups {:.2} (at least 0.15)",
        median(&mut store_ratios),
        median(&mut take_ratios),
        median(&mut rate_ratios)
    );
    Ok(())
}
