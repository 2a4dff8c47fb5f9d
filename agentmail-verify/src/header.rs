use crate::{Signature, Timestamp, VerifyError};

/// One of the headers that the vendor's guide names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "adapters map each to their framework's own type; another one would be another wire contract"
)]
pub enum Header {
    /// `X-AgentMail-Timestamp`: when the delivery was signed, in Unix seconds.
    Timestamp,
    /// `X-AgentMail-Signature`: `v1=<hex>`.
    Signature,
    /// `X-AgentMail-Unsigned`: `1` when the service has no signing secret.
    Unsigned,
}

impl Header {
    /// Returns the header's name in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timestamp => "x-agentmail-timestamp",
            Self::Signature => "x-agentmail-signature",
            Self::Unsigned => "x-agentmail-unsigned",
        }
    }
}

/// The two headers of a signed delivery, parsed once.
#[derive(Debug, Clone, Copy)]
pub struct SignedHeaders {
    timestamp: Timestamp,
    signature: Signature,
}

impl SignedHeaders {
    /// Reads the two headers from wherever a framework keeps them.
    ///
    /// `lines` returns the value of *every* line of a header, in any order: a second line is
    /// refused, whichever of the two is the good one. Names are compared without regard to case, as
    /// every framework's header map does.
    ///
    /// ```
    /// use agentmail_verify::{SignedHeaders, VerifyError};
    ///
    /// let request = [("Content-Type", "application/json"), ("X-AgentMail-Unsigned", "1")];
    ///
    /// let outcome = SignedHeaders::read(|header| {
    ///     let lines = request.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(header.name()));
    ///     lines.map(|(_, value)| value.as_bytes())
    /// });
    ///
    /// assert_eq!(outcome.unwrap_err(), VerifyError::Unsigned);
    /// ```
    ///
    /// # Errors
    ///
    /// Each variant of [`VerifyError`] that concerns a header's presence or form. The signature is
    /// looked at first: a request without one is `missing_signature` (or `unsigned`), whatever else
    /// it lacks.
    pub fn read<'a, L>(lines: impl Fn(Header) -> L) -> Result<Self, VerifyError>
    where
        L: IntoIterator<Item = &'a [u8]>,
    {
        let signature = only(lines(Header::Signature), VerifyError::DuplicateSignature)?;
        let Some(signature) = signature else {
            let unsigned = lines(Header::Unsigned).into_iter().any(|value| value == b"1");
            return Err(if unsigned {
                VerifyError::Unsigned
            } else {
                VerifyError::MissingSignature
            });
        };
        let timestamp = only(lines(Header::Timestamp), VerifyError::DuplicateTimestamp)?
            .ok_or(VerifyError::MissingTimestamp)?;

        Ok(Self {
            timestamp: Timestamp::parse(timestamp)?,
            signature: Signature::parse(signature)?,
        })
    }

    /// Returns the parsed timestamp.
    #[must_use]
    pub const fn timestamp(&self) -> &Timestamp {
        &self.timestamp
    }

    /// Returns the parsed signature.
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }
}

fn only<'a>(
    lines: impl IntoIterator<Item = &'a [u8]>,
    duplicate: VerifyError,
) -> Result<Option<&'a [u8]>, VerifyError> {
    let mut lines = lines.into_iter();
    let first = lines.next();
    match lines.next() {
        None => Ok(first),
        Some(_) => Err(duplicate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: (&str, &str) = (
        "X-AgentMail-Signature",
        "v1=63893a3709806933548b8fc7291ddfc44b4a760abfa32a31c107d9a260ad0db4",
    );
    const TIMESTAMP: (&str, &str) = ("X-AgentMail-Timestamp", "1700000000");
    const UNSIGNED: (&str, &str) = ("X-AgentMail-Unsigned", "1");

    fn read(request: &[(&str, &str)]) -> Result<SignedHeaders, VerifyError> {
        SignedHeaders::read(|header| {
            let named = move |line: &&(&str, &str)| line.0.eq_ignore_ascii_case(header.name());
            request.iter().filter(named).map(|(_, value)| value.as_bytes())
        })
    }

    #[test]
    fn takes_one_line_of_each() {
        let headers = read(&[TIMESTAMP, SIGNATURE]).unwrap();

        assert_eq!(headers.timestamp().time().as_secs(), 1_700_000_000);
    }

    #[test]
    fn names_what_is_missing() {
        for (request, cause) in [
            (&[][..], VerifyError::MissingSignature),
            (&[TIMESTAMP], VerifyError::MissingSignature),
            (&[SIGNATURE], VerifyError::MissingTimestamp),
            (&[UNSIGNED], VerifyError::Unsigned),
            (&[TIMESTAMP, UNSIGNED], VerifyError::Unsigned),
            (&[TIMESTAMP, ("X-AgentMail-Unsigned", "0")], VerifyError::MissingSignature),
        ] {
            assert_eq!(read(request).unwrap_err(), cause, "{request:?}");
        }
    }

    #[test]
    fn rejects_a_second_line_in_either_order() {
        for (bad, cause) in [
            (("x-agentmail-signature", "v1=00"), VerifyError::DuplicateSignature),
            (SIGNATURE, VerifyError::DuplicateSignature),
            (("x-agentmail-timestamp", "1"), VerifyError::DuplicateTimestamp),
            (TIMESTAMP, VerifyError::DuplicateTimestamp),
        ] {
            assert_eq!(read(&[bad, TIMESTAMP, SIGNATURE]).unwrap_err(), cause);
            assert_eq!(read(&[TIMESTAMP, SIGNATURE, bad]).unwrap_err(), cause);
        }
    }

    #[test]
    fn the_unsigned_header_changes_nothing_beside_a_signature() {
        assert!(read(&[UNSIGNED, TIMESTAMP, SIGNATURE]).is_ok());
        assert_eq!(
            read(&[UNSIGNED, TIMESTAMP, ("X-AgentMail-Signature", "")]).unwrap_err(),
            VerifyError::MalformedSignature
        );
    }
}
