use crate::{error::VerifyError, signature::Signature, timestamp::Timestamp, unix_time::UnixTime};

/// A header that the vendor's guide names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "adapters map each to their framework's type; another one is another wire contract"
)]
pub enum WebhookHeader {
    /// `X-AgentMail-Timestamp`: when the delivery was signed, in Unix seconds.
    Timestamp,
    /// `X-AgentMail-Signature`: `v1=<hex>`.
    Signature,
    /// `X-AgentMail-Unsigned`: `1` if the service has no signing secret.
    Unsigned,
}

impl WebhookHeader {
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

/// The timestamp and the signature of a delivery, parsed once.
#[derive(Debug, Clone, Copy)]
pub struct SignedHeaders {
    timestamp: Timestamp,
    signature: Signature,
}

impl SignedHeaders {
    /// Parses the headers of a request, of whatever type the framework has.
    ///
    /// `values` returns *every* value of a header, in any order. A second value is refused, even if
    /// one of the two is valid. Compare header names without regard to case, as the header maps of
    /// all frameworks do.
    ///
    /// - The timestamp is a number of seconds in ASCII digits, without a sign and without a leading
    ///   zero.
    /// - The signature is a comma-separated list of at most 8 items `scheme=value`, with optional
    ///   spaces around the items. Each `v1` value is 64 hex digits of either case. Items of other
    ///   schemes are ignored.
    ///
    /// ```
    /// # use agentmail_verify::{SignedHeaders, VerifyError};
    /// let request = [("Content-Type", "application/json"), ("X-AgentMail-Unsigned", "1")];
    ///
    /// let outcome = SignedHeaders::parse(|header| {
    ///     let same_name = move |(name, _): &&(&str, _)| name.eq_ignore_ascii_case(header.name());
    ///     request.iter().filter(same_name).map(|(_, value): &(_, &str)| value.as_bytes())
    /// });
    ///
    /// assert_eq!(outcome.unwrap_err(), VerifyError::Unsigned);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with the variant of [`VerifyError`] that names the header and its fault: missing,
    /// duplicated, malformed, or of an unsupported scheme. The signature is checked first: a
    /// request without one is `missing_signature` or `unsigned`, whatever else is wrong.
    pub fn parse<'a, V>(values: impl Fn(WebhookHeader) -> V) -> Result<Self, VerifyError>
    where
        V: IntoIterator<Item = &'a [u8]>,
    {
        let signature =
            at_most_one(values(WebhookHeader::Signature), VerifyError::DuplicateSignature)?;
        let Some(signature) = signature else {
            let unsigned = values(WebhookHeader::Unsigned).into_iter().any(|value| value == b"1");
            return Err(if unsigned {
                VerifyError::Unsigned
            } else {
                VerifyError::MissingSignature
            });
        };
        let timestamp =
            at_most_one(values(WebhookHeader::Timestamp), VerifyError::DuplicateTimestamp)?
                .ok_or(VerifyError::MissingTimestamp)?;

        Ok(Self {
            timestamp: Timestamp::parse(timestamp)?,
            signature: Signature::parse(signature)?,
        })
    }

    /// Returns when the delivery was signed, by the sender's clock.
    ///
    /// Do not trust this time before the delivery is verified, because any client can send any
    /// value.
    #[must_use]
    pub const fn signed_at(&self) -> UnixTime {
        self.timestamp.time()
    }

    pub(crate) const fn timestamp(&self) -> &Timestamp {
        &self.timestamp
    }

    pub(crate) const fn signature(&self) -> &Signature {
        &self.signature
    }
}

fn at_most_one<'a>(
    values: impl IntoIterator<Item = &'a [u8]>,
    duplicate: VerifyError,
) -> Result<Option<&'a [u8]>, VerifyError> {
    let mut values = values.into_iter();
    let first = values.next();
    match values.next() {
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

    fn parse(request: &[(&str, &str)]) -> Result<SignedHeaders, VerifyError> {
        SignedHeaders::parse(|header| {
            let same_name =
                move |field: &&(&str, &str)| field.0.eq_ignore_ascii_case(header.name());
            request.iter().filter(same_name).map(|(_, value)| value.as_bytes())
        })
    }

    #[test]
    fn takes_one_value_of_each() {
        let headers = parse(&[TIMESTAMP, SIGNATURE]).unwrap();

        assert_eq!(headers.signed_at(), UnixTime::from_secs(1_700_000_000));
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
            assert_eq!(parse(request).unwrap_err(), cause, "{request:?}");
        }
    }

    #[test]
    fn rejects_a_second_value_in_either_order() {
        for (bad, cause) in [
            (("x-agentmail-signature", "v1=00"), VerifyError::DuplicateSignature),
            (SIGNATURE, VerifyError::DuplicateSignature),
            (("x-agentmail-timestamp", "1"), VerifyError::DuplicateTimestamp),
            (TIMESTAMP, VerifyError::DuplicateTimestamp),
        ] {
            assert_eq!(parse(&[bad, TIMESTAMP, SIGNATURE]).unwrap_err(), cause);
            assert_eq!(parse(&[TIMESTAMP, SIGNATURE, bad]).unwrap_err(), cause);
        }
    }

    #[test]
    fn the_unsigned_header_changes_nothing_beside_a_signature() {
        assert!(parse(&[UNSIGNED, TIMESTAMP, SIGNATURE]).is_ok());
        assert_eq!(
            parse(&[UNSIGNED, TIMESTAMP, ("X-AgentMail-Signature", "")]).unwrap_err(),
            VerifyError::MalformedSignature
        );
    }
}
