use std::fmt;

/// The number of a message in its store, in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(i64);

impl RowId {
    /// Creates the id from the number in the database.
    #[must_use]
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Returns the number in the database.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// Shows the number.
impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a worker needs to write about a message that it has taken: the row, and the number of the
/// take.
///
/// Each take of a message has a higher number than the one before, also after a redrive. A write
/// with an older number changes nothing. So a worker that is late cannot overwrite what another
/// worker has done (*fencing*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    id: RowId,
    take: i64,
}

impl Lease {
    /// Creates a lease. For stores.
    #[must_use]
    pub const fn new(id: RowId, take: i64) -> Self {
        Self { id, take }
    }

    /// Returns the row.
    #[must_use]
    pub const fn id(&self) -> RowId {
        self.id
    }

    /// Returns the number of the take, which is the column `takes`. The first one is 1.
    #[must_use]
    pub const fn take(&self) -> i64 {
        self.take
    }
}

/// Whether a write about a message was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a write has no other outcome")]
pub enum LeaseState {
    /// The last take of the message is this one.
    Held,
    /// Another worker has taken the message since, or the message does not exist. Nothing was
    /// changed.
    Lost,
}
