/// What is wrong with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is signed with another secret.
    Forged,
    /// A byte was appended after it was signed.
    Tampered,
    /// Its JSON was written again after it was signed.
    Recoded,
    /// It was signed an hour ago.
    Stale,
    /// Its time is an hour ahead.
    Future,
    /// It is not signed: the service has no secret.
    Unsigned,
    /// It has two signatures, in two headers.
    Duplicate,
    /// Its body is longer than the limit of a receiver.
    Oversized,
    /// Its body ends before its declared length.
    Truncated,
    /// Its body stops in the middle, and the connection stays open.
    Slow,
}

impl Fault {
    /// Every fault.
    pub const ALL: &[Self] = &[
        Self::Forged,
        Self::Tampered,
        Self::Recoded,
        Self::Stale,
        Self::Future,
        Self::Unsigned,
        Self::Duplicate,
        Self::Oversized,
        Self::Truncated,
        Self::Slow,
    ];

    /// Returns the name, as the command line takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// Returns what is wrong with the delivery.
    #[must_use]
    pub const fn description(self) -> &'static str {
        self.row().1
    }

    /// Returns the status that a receiver with the default settings responds with.
    #[must_use]
    pub const fn expected_status(self) -> u16 {
        self.row().2
    }

    /// Every fault is one row: name, description, and expected status.
    const fn row(self) -> (&'static str, &'static str, u16) {
        match self {
            Self::Forged => ("forged", "it is signed with another secret", 403),
            Self::Tampered => ("tampered", "a byte was appended after it was signed", 403),
            Self::Recoded => ("recoded", "its JSON was written again after it was signed", 403),
            Self::Stale => ("stale", "it was signed an hour ago", 403),
            Self::Future => ("future", "its time is an hour ahead", 403),
            Self::Unsigned => ("unsigned", "it is not signed: the service has no secret", 403),
            Self::Duplicate => ("duplicate", "it has two signatures, in two headers", 403),
            Self::Oversized => ("oversized", "its body is longer than a receiver's limit", 413),
            Self::Truncated => ("truncated", "its body ends before its declared length", 400),
            Self::Slow => ("slow", "its body stops in the middle (takes 10 s)", 408),
        }
    }
}
