use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::fault::{Fault, Moment};

/// The statements that were seen so far, and how often a process was killed at each.
#[derive(Debug, Default)]
pub struct FaultPoints(Mutex<BTreeMap<(String, Moment), Kills>>);

/// How often a fault point was chosen, and how often a process was killed there.
///
/// It is not killed where it does not reach the statement in its time.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Kills {
    /// How often the point was chosen.
    pub tries: u32,
    /// How often a process was killed there.
    pub kills: u32,
}

impl FaultPoints {
    /// Remembers a statement.
    pub fn saw(&self, statement: &str) {
        let mut points = self.lock();
        for moment in [Moment::Before, Moment::After] {
            points.entry((statement.to_owned(), moment)).or_default();
        }
    }

    /// Counts a kill.
    pub fn killed(&self, statement: &str, moment: Moment) {
        self.lock().entry((statement.to_owned(), moment)).or_default().kills += 1;
    }

    /// Returns the fault for the next process: one of the points with the fewest kills and tries.
    pub fn next(&self, random: &mut fastrand::Rng) -> Option<Fault> {
        let mut points = self.lock();
        let fewest = points.values().map(|kills| kills.kills + kills.tries).min()?;
        let few = points.iter_mut().filter(|(_, kills)| kills.kills + kills.tries <= fewest + 1);
        let ((statement, moment), kills) = random.choice(few.collect::<Vec<_>>())?;
        kills.tries += 1;
        // A statement of the start runs once in a process.
        let nth = if kills.kills == 0 { 1 } else { random.u32(1..60) };
        Some(Fault { statement: statement.clone(), moment: *moment, nth })
    }

    /// Returns each point with its counts.
    pub fn counts(&self) -> Vec<(String, Moment, Kills)> {
        self.lock().iter().map(|((sql, moment), kills)| (sql.clone(), *moment, *kills)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, Moment), Kills>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
