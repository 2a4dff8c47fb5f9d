use std::fmt;

/// The state of a message in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a store has a column for it, and knows these four")]
pub enum State {
    /// The message waits for an attempt: the first one, or the next one after a failure.
    Waiting,
    /// A worker has taken the message. If its lease has ended, the message is due again.
    Taken,
    /// The work is done. The row is kept, so that a copy of the message is recognized.
    Done,
    /// The message is not tried again, until an operator redrives it.
    Dead,
}

impl State {
    /// All states, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Taken, Self::Done, Self::Dead];

    /// Returns the name: `waiting`, `taken`, `done` or `dead`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Taken => "taken",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }

    /// Returns the number in the column `state` of a database: 0 to 3.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Waiting => 0,
            Self::Taken => 1,
            Self::Done => 2,
            Self::Dead => 3,
        }
    }

    /// Returns the state with this number.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.number() == number)
    }

    /// Returns the state with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Shows the name.
impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many messages are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Messages that wait for an attempt.
    pub waiting: u64,
    /// Messages that a worker has taken.
    pub taken: u64,
    /// Messages whose work is done, and that are not pruned yet.
    pub done: u64,
    /// Messages that are not tried again.
    pub dead: u64,
}

impl Counts {
    /// Returns the count of a state.
    #[must_use]
    pub const fn of(&self, state: State) -> u64 {
        match state {
            State::Waiting => self.waiting,
            State::Taken => self.taken,
            State::Done => self.done,
            State::Dead => self.dead,
        }
    }

    /// Sets the count of a state. For stores.
    #[must_use]
    pub const fn with(mut self, state: State, count: u64) -> Self {
        match state {
            State::Waiting => self.waiting = count,
            State::Taken => self.taken = count,
            State::Done => self.done = count,
            State::Dead => self.dead = count,
        }
        self
    }
}
