use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Whether a process is killed before a statement, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Moment {
    /// The statement is not carried out.
    Before,
    /// The statement is carried out, and the process does not learn that.
    After,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

/// Where a process is killed: at the `nth` execution of a statement, counted from 1.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fault {
    /// The statement, as [`one_line`] writes it.
    pub statement: String,
    /// Before or after.
    pub moment: Moment,
    /// Which execution.
    pub nth: u32,
}

/// The statements that were seen so far, and how often a process was killed at each.
#[derive(Debug, Default)]
pub struct FaultPoints(Mutex<BTreeMap<(String, Moment), u32>>);

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
        *self.lock().entry((statement.to_owned(), moment)).or_default() += 1;
    }

    /// Returns the fault for the next process: one of the points with the fewest kills.
    pub fn next(&self, random: &mut fastrand::Rng) -> Option<Fault> {
        let points = self.lock();
        let fewest = points.values().min()?;
        let few: Vec<_> = points.iter().filter(|(_, kills)| *kills <= &(fewest + 2)).collect();
        let ((statement, moment), _) = random.choice(few)?;
        // A statement of the start runs once in a process.
        let nth = if random.bool() { 1 } else { random.u32(1..60) };
        Some(Fault { statement: statement.clone(), moment: *moment, nth })
    }

    /// Returns each point with its number of kills.
    pub fn counts(&self) -> Vec<(String, Moment, u32)> {
        self.lock().iter().map(|((sql, moment), kills)| (sql.clone(), *moment, *kills)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, Moment), u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a statement on one line, without repeated whitespace.
#[must_use]
pub fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}
