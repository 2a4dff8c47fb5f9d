use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use tracing::Level;

/// How many refusals of one code are logged above debug in a minute.
const LINES_PER_CODE: u64 = 5;
const MINUTE: Duration = Duration::from_secs(60);

/// Limits the log lines that unauthenticated clients can cause: it counts refusals by code, minute
/// by minute.
#[derive(Debug, Default)]
pub(crate) struct LogLimit {
    minute: Mutex<Option<Minute>>,
}

#[derive(Debug)]
struct Minute {
    start: Instant,
    tallies: BTreeMap<&'static str, Tally>,
}

/// The refusals of one code in a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    /// How many of them were logged at debug only.
    pub(crate) at_debug: u64,
}

/// What to log about one refusal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The level of its line.
    pub(crate) level: Level,
    /// Whether a minute begins with it. The caller then waits for [`LogLimit::end`].
    pub(crate) is_first: bool,
    /// The minute before, if it has ended and nobody has taken its tallies.
    pub(crate) ended: Vec<(&'static str, Tally)>,
}

impl LogLimit {
    /// Counts a refusal, whose line has the level `level` unless there are too many of them.
    pub(crate) fn count(&self, code: &'static str, level: Level) -> Counted {
        let mut minute = self.lock();
        let ended = take_ended(&mut minute);
        let is_first = minute.is_none();
        let Minute { tallies, .. } = minute.get_or_insert_with(Minute::start);
        let tally = tallies.entry(code).or_default();
        let level = if tally.count < LINES_PER_CODE { level } else { Level::DEBUG };
        tally.count = tally.count.saturating_add(1);
        tally.at_debug = tally.at_debug.saturating_add(u64::from(level == Level::DEBUG));
        Counted { level, is_first, ended }
    }

    /// Waits for a minute, then returns its tallies, unless a later refusal has taken them.
    pub(crate) async fn end(&self) -> Vec<(&'static str, Tally)> {
        tokio::time::sleep(MINUTE).await;
        take_ended(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Minute>> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Minute {
    fn start() -> Self {
        Self { start: Instant::now(), tallies: BTreeMap::new() }
    }
}

fn take_ended(minute: &mut Option<Minute>) -> Vec<(&'static str, Tally)> {
    let ended = minute.take_if(|minute| minute.start.elapsed() >= MINUTE);
    ended.map(|minute| minute.tallies.into_iter().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_lines_of_a_code_keep_their_level_and_the_minute_is_summed_up_once() {
        let limit = LogLimit::default();

        let levels: Vec<_> = (0..7).map(|_| limit.count("mismatch", Level::WARN).level).collect();
        assert_eq!(levels, [[Level::WARN; 5].as_slice(), &[Level::DEBUG; 2]].concat());
        let stale = limit.count("stale", Level::WARN);
        assert_eq!(stale, Counted { level: Level::WARN, is_first: false, ended: Vec::new() });
        assert_eq!(limit.count("missing_signature", Level::DEBUG).level, Level::DEBUG);

        let ended = limit.end().await;
        assert_eq!(
            ended,
            [
                ("mismatch", Tally { count: 7, at_debug: 2 }),
                ("missing_signature", Tally { count: 1, at_debug: 1 }),
                ("stale", Tally { count: 1, at_debug: 0 }),
            ]
        );
        let next = limit.count("mismatch", Level::WARN);
        assert_eq!(next, Counted { level: Level::WARN, is_first: true, ended: Vec::new() });
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_refusal_ends_the_minute_if_no_timer_did() {
        let limit = LogLimit::default();
        assert!(limit.count("stale", Level::WARN).is_first);

        tokio::time::advance(MINUTE).await;

        let ended = vec![("stale", Tally { count: 1, at_debug: 0 })];
        let next = limit.count("mismatch", Level::WARN);
        assert_eq!(next, Counted { level: Level::WARN, is_first: true, ended });
    }
}
