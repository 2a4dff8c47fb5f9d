use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use redis::{Cmd, InfoDict, RedisResult, Value, from_redis_value};

use crate::telemetry;

/// Warns once if a server may evict the records of handled messages.
#[derive(Default)]
pub(super) struct EvictionCheck {
    done: Arc<AtomicBool>,
}

impl EvictionCheck {
    /// Checks a server in the background, unless one has been checked. The closure sends a command
    /// to the server.
    pub(super) fn start<F>(&self, send: impl FnOnce(Cmd) -> F)
    where
        F: Future<Output = RedisResult<Value>> + Send + 'static,
    {
        if !self.done.load(Ordering::Relaxed) {
            let mut info = redis::cmd("INFO");
            info.arg("memory");
            tokio::spawn(check(send(info), Arc::clone(&self.done)));
        }
    }
}

async fn check(info: impl Future<Output = RedisResult<Value>>, done: Arc<AtomicBool>) {
    let info = info.await.and_then(|info| Ok(from_redis_value::<InfoDict>(info)?));
    let policy = info.ok().and_then(|info| info.get::<String>("maxmemory_policy"));
    match policy.as_deref() {
        Some("noeviction") => done.store(true, Ordering::Relaxed),
        Some(policy) => {
            done.store(true, Ordering::Relaxed);
            telemetry::redis_may_evict(policy);
        }
        None => telemetry::redis_eviction_unknown(),
    }
}
