use std::time::Duration;

/// The longest pause before the next attempt of a message: 24 hours. A longer pause is shortened.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3_600);

/// The longest lease: 1 hour. A worker renews its lease, so an attempt may take longer.
pub const LONGEST_LEASE: Duration = Duration::from_secs(3_600);

/// No `due_at` is further ahead than this, unless the clock was set back: 25 hours.
///
/// A message whose `due_at` is further ahead is therefore due.
pub const HORIZON: Duration = Duration::from_secs(25 * 3_600);
