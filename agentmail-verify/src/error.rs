use core::{error::Error, fmt, time::Duration};

/// Why a delivery is refused: one variant per cause that an operator would act on.
///
/// Outside, all of them look the same (403, no body); [`code`](Self::code) is for logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// No `X-AgentMail-Signature`.
    MissingSignature,
    /// No `X-AgentMail-Signature`, and `X-AgentMail-Unsigned: 1`: the service has no signing secret
    /// for this agent (`PUT /webhook` sets one).
    Unsigned,
    /// More than one line of `X-AgentMail-Signature`.
    DuplicateSignature,
    /// `X-AgentMail-Signature` is not a list of `scheme=value`, or one of its `v1` values is not 64
    /// hex digits.
    MalformedSignature,
    /// `X-AgentMail-Signature` holds no `v1` value.
    UnsupportedScheme,
    /// No `X-AgentMail-Timestamp`.
    MissingTimestamp,
    /// More than one line of `X-AgentMail-Timestamp`.
    DuplicateTimestamp,
    /// `X-AgentMail-Timestamp` is not canonical decimal seconds.
    MalformedTimestamp,
    /// `X-AgentMail-Timestamp` lies too far in the past.
    ///
    /// With an age that stays about the same, a clock is wrong; with an age that grows from one
    /// attempt to the next, the service repeats a delivery under its first signature.
    Stale {
        /// How old the delivery is, in whole seconds.
        age: Duration,
    },
    /// `X-AgentMail-Timestamp` lies too far in the future: a clock is wrong, or the sender counts
    /// milliseconds.
    TooFarAhead {
        /// How far ahead of our clock the delivery is, in whole seconds.
        ahead: Duration,
    },
    /// No accepted secret made this signature: a wrong secret, a body that was changed on the way,
    /// or a forgery.
    Mismatch,
}

impl VerifyError {
    /// Returns the stable, machine-readable name of the cause.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingSignature => "missing_signature",
            Self::Unsigned => "unsigned",
            Self::DuplicateSignature => "duplicate_signature",
            Self::MalformedSignature => "malformed_signature",
            Self::UnsupportedScheme => "unsupported_scheme",
            Self::MissingTimestamp => "missing_timestamp",
            Self::DuplicateTimestamp => "duplicate_timestamp",
            Self::MalformedTimestamp => "malformed_timestamp",
            Self::Stale { .. } => "stale",
            Self::TooFarAhead { .. } => "too_far_ahead",
            Self::Mismatch => "mismatch",
        }
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Further ahead than this, the timestamp counts milliseconds: seconds get there in 5138.
        const MILLISECONDS: Duration = Duration::from_secs(100_000_000_000);

        match self {
            Self::MissingSignature => f.write_str("x-agentmail-signature is missing"),
            Self::Unsigned => f.write_str(
                "x-agentmail-unsigned: the service has no signing secret for this agent",
            ),
            Self::DuplicateSignature => f.write_str("x-agentmail-signature stands more than once"),
            Self::MalformedSignature => f.write_str("x-agentmail-signature is malformed"),
            Self::UnsupportedScheme => f.write_str("x-agentmail-signature holds no v1 value"),
            Self::MissingTimestamp => f.write_str("x-agentmail-timestamp is missing"),
            Self::DuplicateTimestamp => f.write_str("x-agentmail-timestamp stands more than once"),
            Self::MalformedTimestamp => {
                f.write_str("x-agentmail-timestamp is not canonical decimal seconds")
            }
            Self::Stale { age } => {
                write!(f, "x-agentmail-timestamp is too old: {} s", age.as_secs())
            }
            Self::TooFarAhead { ahead } if *ahead > MILLISECONDS => f.write_str(
                "x-agentmail-timestamp is too far ahead: it seems to count milliseconds",
            ),
            Self::TooFarAhead { ahead } => {
                write!(f, "x-agentmail-timestamp is too far ahead: {} s", ahead.as_secs())
            }
            Self::Mismatch => {
                f.write_str("x-agentmail-signature matches no accepted secret for this body")
            }
        }
    }
}

impl Error for VerifyError {}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn codes_are_stable() {
        let at = Duration::from_secs(400);
        for (error, code) in [
            (VerifyError::MissingSignature, "missing_signature"),
            (VerifyError::Unsigned, "unsigned"),
            (VerifyError::DuplicateSignature, "duplicate_signature"),
            (VerifyError::MalformedSignature, "malformed_signature"),
            (VerifyError::UnsupportedScheme, "unsupported_scheme"),
            (VerifyError::MissingTimestamp, "missing_timestamp"),
            (VerifyError::DuplicateTimestamp, "duplicate_timestamp"),
            (VerifyError::MalformedTimestamp, "malformed_timestamp"),
            (VerifyError::Stale { age: at }, "stale"),
            (VerifyError::TooFarAhead { ahead: at }, "too_far_ahead"),
            (VerifyError::Mismatch, "mismatch"),
        ] {
            assert_eq!(error.code(), code);
        }
    }

    #[test]
    fn each_message_names_the_header_that_is_at_fault() {
        let far = Duration::from_secs(400);
        for (header, errors) in [
            (
                "x-agentmail-signature",
                &[
                    VerifyError::MissingSignature,
                    VerifyError::DuplicateSignature,
                    VerifyError::MalformedSignature,
                    VerifyError::UnsupportedScheme,
                    VerifyError::Mismatch,
                ][..],
            ),
            (
                "x-agentmail-timestamp",
                &[
                    VerifyError::MissingTimestamp,
                    VerifyError::DuplicateTimestamp,
                    VerifyError::MalformedTimestamp,
                    VerifyError::Stale { age: far },
                    VerifyError::TooFarAhead { ahead: far },
                ],
            ),
            ("x-agentmail-unsigned", &[VerifyError::Unsigned]),
        ] {
            for error in errors {
                assert!(error.to_string().starts_with(header), "{error}");
            }
        }
    }

    #[test]
    fn says_so_when_the_sender_counts_milliseconds() {
        // The smallest of 13 digits, from our time on.
        let ahead = Duration::from_secs(1_000_000_000_000 - 1_700_000_000);

        let message = VerifyError::TooFarAhead { ahead }.to_string();

        assert!(message.contains("milliseconds"), "{message}");
    }

    #[test]
    fn does_not_speak_of_milliseconds_when_a_clock_is_wrong() {
        let message = VerifyError::TooFarAhead { ahead: Duration::from_secs(3_600) }.to_string();

        assert_eq!(message, "x-agentmail-timestamp is too far ahead: 3600 s");

        let in_5138 = VerifyError::TooFarAhead { ahead: Duration::from_secs(100_000_000_000) };
        assert!(in_5138.to_string().ends_with("100000000000 s"), "{in_5138}");
    }
}
