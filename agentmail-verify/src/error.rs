use core::{error::Error, fmt, time::Duration};

/// Why a delivery is refused: one variant for each cause that an operator would act on.
///
/// The sender gets the same response for all of them (403, no body). [`code`](Self::code) is for
/// logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerifyError {
    /// `X-AgentMail-Signature` is missing.
    MissingSignature,
    /// `X-AgentMail-Signature` is missing, and `X-AgentMail-Unsigned` is `1`: the service has no
    /// signing secret for this agent (`PUT /webhook` sets one).
    Unsigned,
    /// `X-AgentMail-Signature` has more than one value.
    DuplicateSignature,
    /// `X-AgentMail-Signature` is not a list of `scheme=value`, or one of its `v1` values is not 64
    /// hex digits.
    MalformedSignature,
    /// `X-AgentMail-Signature` has no `v1` value.
    UnsupportedScheme,
    /// `X-AgentMail-Timestamp` is missing.
    MissingTimestamp,
    /// `X-AgentMail-Timestamp` has more than one value.
    DuplicateTimestamp,
    /// `X-AgentMail-Timestamp` is not a number of seconds in decimal digits, without a sign and
    /// without a leading zero.
    MalformedTimestamp,
    /// `X-AgentMail-Timestamp` is too far in the past.
    ///
    /// If the age is about the same for each delivery, a clock is wrong. If the age grows with each
    /// attempt, the service repeats the delivery with its first timestamp and signature.
    #[non_exhaustive]
    Stale {
        /// The age of the delivery, in whole seconds.
        age: Duration,
    },
    /// `X-AgentMail-Timestamp` is too far in the future: a clock is wrong, or the sender sends
    /// milliseconds.
    #[non_exhaustive]
    TooFarAhead {
        /// How far the delivery is ahead of the receiver's clock, in whole seconds.
        ahead: Duration,
    },
    /// None of the accepted secrets made this signature: the secret is wrong, the body was changed
    /// on the way, or the delivery is forged.
    Mismatch,
}

impl VerifyError {
    /// Every [`code`](Self::code).
    pub const CODES: &[&str] = &[
        "missing_signature",
        "unsigned",
        "duplicate_signature",
        "malformed_signature",
        "unsupported_scheme",
        "missing_timestamp",
        "duplicate_timestamp",
        "malformed_timestamp",
        "stale",
        "too_far_ahead",
        "mismatch",
    ];

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
        /// A timestamp that is further ahead than this is in milliseconds. In seconds, it would be
        /// a time after the year 5138.
        const MILLISECONDS: Duration = Duration::from_secs(100_000_000_000);

        match self {
            Self::MissingSignature => f.write_str("x-agentmail-signature is missing"),
            Self::Unsigned => f.write_str(
                "x-agentmail-unsigned: the service has no signing secret for this agent",
            ),
            Self::DuplicateSignature => f.write_str("x-agentmail-signature is duplicated"),
            Self::MalformedSignature => f.write_str("x-agentmail-signature is malformed"),
            Self::UnsupportedScheme => f.write_str("x-agentmail-signature has no v1 value"),
            Self::MissingTimestamp => f.write_str("x-agentmail-timestamp is missing"),
            Self::DuplicateTimestamp => f.write_str("x-agentmail-timestamp is duplicated"),
            Self::MalformedTimestamp => {
                f.write_str("x-agentmail-timestamp is not Unix seconds in plain decimal digits")
            }
            Self::Stale { age } => {
                write!(f, "x-agentmail-timestamp is too old: {} s", age.as_secs())
            }
            Self::TooFarAhead { ahead } if *ahead > MILLISECONDS => f.write_str(
                "x-agentmail-timestamp is too far ahead: it seems to be in milliseconds",
            ),
            Self::TooFarAhead { ahead } => {
                write!(f, "x-agentmail-timestamp is too far ahead: {} s", ahead.as_secs())
            }
            Self::Mismatch => f.write_str(
                "x-agentmail-signature does not match: no accepted secret signed this body",
            ),
        }
    }
}

impl Error for VerifyError {}

#[cfg(test)]
mod tests {
    use std::{string::ToString, vec::Vec};

    use super::*;

    /// The variant after this one. A variant that is missing here does not compile.
    fn next(error: &VerifyError) -> Option<VerifyError> {
        Some(match error {
            VerifyError::MissingSignature => VerifyError::Unsigned,
            VerifyError::Unsigned => VerifyError::DuplicateSignature,
            VerifyError::DuplicateSignature => VerifyError::MalformedSignature,
            VerifyError::MalformedSignature => VerifyError::UnsupportedScheme,
            VerifyError::UnsupportedScheme => VerifyError::MissingTimestamp,
            VerifyError::MissingTimestamp => VerifyError::DuplicateTimestamp,
            VerifyError::DuplicateTimestamp => VerifyError::MalformedTimestamp,
            VerifyError::MalformedTimestamp => VerifyError::Stale { age: Duration::ZERO },
            VerifyError::Stale { .. } => VerifyError::TooFarAhead { ahead: Duration::ZERO },
            VerifyError::TooFarAhead { .. } => VerifyError::Mismatch,
            VerifyError::Mismatch => return None,
        })
    }

    #[test]
    fn codes_are_complete_and_stable() {
        let all = core::iter::successors(Some(VerifyError::MissingSignature), next);

        let codes: Vec<_> = all.map(|error| error.code()).collect();

        assert_eq!(codes, VerifyError::CODES);
        let (_, variants) = include_str!("error.rs").split_once("pub enum VerifyError {").unwrap();
        let (variants, _) = variants.split_once("\n}").unwrap();
        let is_variant =
            |line: &&str| line.starts_with("    ") && line[4..].starts_with(char::is_uppercase);
        assert_eq!(variants.lines().filter(is_variant).count(), codes.len(), "`next` visits all");
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
    fn does_not_mention_milliseconds_when_a_clock_is_wrong() {
        let message = VerifyError::TooFarAhead { ahead: Duration::from_secs(3_600) }.to_string();

        assert_eq!(message, "x-agentmail-timestamp is too far ahead: 3600 s");

        let in_5138 = VerifyError::TooFarAhead { ahead: Duration::from_secs(100_000_000_000) };
        assert!(in_5138.to_string().ends_with("100000000000 s"), "{in_5138}");
    }
}
