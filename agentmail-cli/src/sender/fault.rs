/// What is wrong with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
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
    /// Returns the status that a receiver with the default settings responds with.
    #[must_use]
    pub const fn expected_status(self) -> u16 {
        match self {
            Self::Forged
            | Self::Tampered
            | Self::Recoded
            | Self::Stale
            | Self::Future
            | Self::Unsigned
            | Self::Duplicate => 403,
            Self::Oversized => 413,
            Self::Truncated => 400,
            Self::Slow => 408,
        }
    }
}
