use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

/// Measures for how long calls have waited without any reply. A clone measures the same calls.
///
/// A call that is dropped at its deadline leaves the measurement as it is. The limit may thus be
/// longer than the deadline.
#[derive(Debug, Clone)]
pub(super) struct Silence(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limit: Duration,
    waiting: usize,
    /// When the first call that has no reply began, or when the last reply came.
    since: Option<Instant>,
}

impl Silence {
    pub(super) fn new(limit: Duration) -> Self {
        Self(Arc::new(Mutex::new(State { limit, waiting: 0, since: None })))
    }

    /// Waits for a call. Returns `None` when there has been no reply within the limit. The last
    /// argument tells whether an output is a reply.
    ///
    /// The caller pins the call. If it were moved into this future, it would need its space twice.
    pub(super) async fn watch<T>(
        &self,
        mut call: impl Future<Output = T> + Unpin,
        is_reply: impl FnOnce(&T) -> bool,
    ) -> Option<T> {
        let _waiting = self.begin();
        loop {
            match timeout_at(self.end(), &mut call).await {
                Ok(output) => {
                    if is_reply(&output) {
                        self.replied();
                    }
                    return Some(output);
                }
                Err(_) if self.is_over() => return None,
                // Another call had a reply meanwhile.
                Err(_) => {}
            }
        }
    }

    /// Whether calls have waited for longer than the limit.
    pub(super) fn is_over(&self) -> bool {
        self.end() <= Instant::now()
    }

    pub(super) fn limit(&self) -> Duration {
        self.lock().limit
    }

    pub(super) fn set_limit(&self, limit: Duration) {
        self.lock().limit = limit;
    }

    fn begin(&self) -> Waiting<'_> {
        let mut state = self.lock();
        state.waiting += 1;
        state.since.get_or_insert_with(Instant::now);
        Waiting(self)
    }

    fn replied(&self) {
        let mut state = self.lock();
        // The call with the reply is one of those that wait.
        state.since = (state.waiting > 1).then(Instant::now);
    }

    fn end(&self) -> Instant {
        let state = self.lock();
        state.since.unwrap_or_else(Instant::now) + state.limit
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that waits. It may be dropped at its deadline.
struct Waiting<'a>(&'a Silence);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::{sleep, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_reply_ends_after_the_limit() {
        let silence = Silence::new(LIMIT);
        let begun = Instant::now();

        assert_eq!(silence.watch(pending::<()>(), |()| true).await, None);
        assert_eq!(begun.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_are_dropped_at_their_deadline_are_measured_too() {
        let silence = Silence::new(LIMIT);
        let begun = Instant::now();
        for _ in 0..4 {
            let call = silence.watch(pending::<()>(), |()| true);
            timeout(Duration::from_secs(2), call).await.unwrap_err();
        }

        assert_eq!(silence.watch(pending::<()>(), |()| true).await, None);
        assert_eq!(begun.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_to_another_call_restarts_the_time() {
        let silence = Silence::new(LIMIT);
        let begun = Instant::now();
        let other = async {
            sleep(Duration::from_secs(4)).await;
            assert_eq!(silence.watch(ready(1), |_| true).await, Some(1));
            sleep(Duration::from_secs(1)).await;
            assert_eq!(silence.watch(ready(2), |_| false).await, Some(2), "not a reply");
        };

        let (silent, ()) = tokio::join!(silence.watch(pending::<()>(), |()| true), other);

        assert_eq!(silent, None);
        assert_eq!(begun.elapsed(), Duration::from_secs(4) + LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_without_calls_is_not_silence() {
        let silence = Silence::new(LIMIT);
        assert_eq!(silence.watch(ready(1), |_| true).await, Some(1));
        sleep(LIMIT * 2).await;

        assert!(!silence.is_over());
    }
}
