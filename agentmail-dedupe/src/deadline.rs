//! The deadline of a call, for a store that repeats what has failed.

use std::time::Duration;

use tokio::{
    task_local,
    time::{Instant, error::Elapsed, timeout_at},
};

task_local! {
    static DEADLINE: Instant;
}

/// Makes a call under a deadline, which the call can read.
pub(crate) async fn within<T>(
    deadline: Duration,
    call: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let at = Instant::now() + deadline;
    timeout_at(at, DEADLINE.scope(at, call)).await
}

/// Returns when the current call is dropped. Without [`Claims`](crate::Claims), there is no
/// deadline.
#[cfg(feature = "redis")]
pub(crate) fn current() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}
