use std::fmt;

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

/// Returns a statement on one line, without repeated whitespace.
#[must_use]
pub fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}
