use std::fmt;

/// How many messages are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Waiting for an attempt, the first or another.
    pub(crate) new: u32,
    /// Being worked on.
    pub(crate) running: u32,
    /// Handled, and not forgotten yet.
    pub(crate) done: u32,
    /// Not tried again: an operator must look at them.
    pub(crate) dead: u32,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { new, running, done, dead } = self;
        write!(f, r#"{{"new":{new},"running":{running},"done":{done},"dead":{dead}}}"#)
    }
}
