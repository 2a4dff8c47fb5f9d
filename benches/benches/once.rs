//! Once-only handling in memory: the cost of a claim and of its completion.
#![allow(missing_docs, reason = "criterion's macros")]
#![expect(clippy::unwrap_used, reason = "a broken bench panics")]

use std::time::Duration;

use agentmail_receive::{
    MessageKey,
    dedupe::{ClaimKey, ClaimOutcome, ClaimStore, MemoryStore, Owner},
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::FutureExt;

const LEASE: Duration = Duration::from_secs(60);
/// Short, so that the store stays small: later calls remove the keys that have expired.
const RETENTION: Duration = Duration::from_millis(10);

fn memory(c: &mut Criterion) {
    let memory = MemoryStore::new();
    let mut number = 0_u64;
    let mut next = || {
        number += 1;
        ClaimKey::new("bench", MessageKey::of_body(&number.to_be_bytes()))
    };
    let handle = |key| {
        let owner = Owner::random();
        let claimed = memory.claim(key, owner, LEASE).now_or_never().unwrap().unwrap();
        if claimed == ClaimOutcome::Granted {
            memory.complete(key, owner, RETENTION).now_or_never().unwrap().unwrap();
        }
        claimed
    };

    let mut group = c.benchmark_group("memory");
    group.throughput(Throughput::Elements(1));
    group.bench_function("key", |b| b.iter(&mut next));
    group.bench_function("key, claim and complete", |b| b.iter(|| handle(next())));
    let known = next();
    let owner = Owner::random();
    memory.complete(known, owner, LEASE * 60).now_or_never().unwrap().unwrap();
    group.bench_function("claim of a handled message", |b| b.iter(|| handle(known)));
}

criterion_group!(benches, memory);
criterion_main!(benches);
