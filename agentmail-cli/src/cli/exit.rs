use std::process::ExitCode;

/// The exit codes. They do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything is as expected.
    AsExpected = 0,
    /// The receiver refuses, or the signature does not verify.
    Refused = 1,
    /// The command line is wrong. clap uses the same code.
    Usage = 2,
    /// The receiver cannot be reached, or does not respond.
    Unreachable = 3,
    /// A file or another input cannot be used.
    BadInput = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::AsExpected => 0,
            Exit::Refused => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::BadInput => 4,
        })
    }
}
