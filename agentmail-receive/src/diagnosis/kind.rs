/// What a cause is. The order is the order within one certainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    SecretWhitespace,
    SecretQuotes,
    SecretByteOrderMark,
    SecretName,
    SecretJson,
    SecretBase64,
    SecretHex,
    SecretPrefix,
    SecretCharacters,
    OtherSecret,
    ExpiredSecret,
    OtherSender,
    Unsigned,
    HeaderRenamed,
    HeaderMissing,
    HeaderRepeated,
    SignatureForm,
    TimestampMilliseconds,
    TimestampForm,
    SignedWithoutTime,
    SignedWithoutDot,
    BodyByteOrderMark,
    BodyLineEnds,
    BodyFinalNewline,
    BodyWhitespace,
    BodyCharset,
    BodyCompressed,
    BodyEncoded,
    BodyReserialised,
    ContentEncoding,
    BodyEmpty,
    BodyCut,
    BodyDamaged,
    BodySorted,
    OldTimestamp,
    FutureTimestamp,
    Unknown,
}

impl Kind {
    pub(super) const CODES: &[&str] = &[
        "secret_whitespace",
        "secret_quotes",
        "secret_byte_order_mark",
        "secret_name",
        "secret_json",
        "secret_base64",
        "secret_hex",
        "secret_prefix",
        "secret_characters",
        "other_secret",
        "expired_secret",
        "other_sender",
        "unsigned",
        "header_renamed",
        "header_missing",
        "header_repeated",
        "signature_form",
        "timestamp_milliseconds",
        "timestamp_form",
        "signed_without_time",
        "signed_without_dot",
        "body_byte_order_mark",
        "body_line_ends",
        "body_final_newline",
        "body_whitespace",
        "body_charset",
        "body_compressed",
        "body_encoded",
        "body_reserialised",
        "content_encoding",
        "body_empty",
        "body_cut",
        "body_damaged",
        "body_sorted",
        "old_timestamp",
        "future_timestamp",
        "unknown",
    ];

    pub(super) const fn code(self) -> &'static str {
        self.row().0
    }

    pub(super) const fn fix(self) -> &'static str {
        self.row().1
    }

    /// Every kind is one row: its code, and what to do.
    const fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::SecretWhitespace => (
                "secret_whitespace",
                "give the receiver and the sender the exact text that the service showed",
            ),
            Self::SecretQuotes => (
                "secret_quotes",
                "remove the quotes: `docker run --env-file` and some editors keep them",
            ),
            Self::SecretByteOrderMark => (
                "secret_byte_order_mark",
                "save the file of the secret as UTF-8 without a byte order mark",
            ),
            Self::SecretName => {
                ("secret_name", "put only the value into the secret, without `NAME=`")
            }
            Self::SecretJson => {
                ("secret_json", "put only the value into the secret, without the JSON around it")
            }
            Self::SecretBase64 => (
                "secret_base64",
                "use the text that the service showed: the library does not decode base64",
            ),
            Self::SecretHex => (
                "secret_hex",
                "use the text that the service showed: the library does not decode hex",
            ),
            Self::SecretPrefix => (
                "secret_prefix",
                "use the text that the service showed, with its prefix: the prefix is in the key",
            ),
            Self::SecretCharacters => {
                ("secret_characters", "copy the secret again, as plain text without escapes")
            }
            Self::OtherSecret => (
                "other_secret",
                "give the receiver this secret, or check which URL the service delivers to",
            ),
            Self::ExpiredSecret => (
                "expired_secret",
                "the service still signs with the old secret: accept it longer, or finish the \
                 rotation",
            ),
            Self::OtherSender => (
                "other_sender",
                "register this URL with AgentMail by Assmbl only, or verify this sender in a \
                 route of its own",
            ),
            Self::Unsigned => (
                "unsigned",
                "set a signing secret at the service: `PUT /webhook` with `rotate_secret=true`",
            ),
            Self::HeaderRenamed => {
                ("header_renamed", "let the proxy or gateway pass on the header with its hyphens")
            }
            Self::HeaderMissing => (
                "header_missing",
                "check which program sends this, and that no proxy removes the header",
            ),
            Self::HeaderRepeated => (
                "header_repeated",
                "check which proxy adds or joins the header: each must arrive once",
            ),
            Self::SignatureForm => {
                ("signature_form", "send `X-AgentMail-Signature: v1=` and 64 hex digits")
            }
            Self::TimestampMilliseconds => {
                ("timestamp_milliseconds", "send and sign the time in seconds")
            }
            Self::TimestampForm => {
                ("timestamp_form", "send and sign the time as a whole number of seconds")
            }
            Self::SignedWithoutTime => {
                ("signed_without_time", "sign the timestamp, a dot, and the body")
            }
            Self::SignedWithoutDot => {
                ("signed_without_dot", "sign the timestamp, a dot, and the body")
            }
            Self::BodyByteOrderMark => (
                "body_byte_order_mark",
                "sign and send the same bytes: a program adds or removes a byte order mark",
            ),
            Self::BodyLineEnds => {
                ("body_line_ends", "sign and send the same bytes: a program converts line ends")
            }
            Self::BodyFinalNewline => (
                "body_final_newline",
                "sign and send the same bytes: `echo` adds a newline, `curl -d @file` removes it",
            ),
            Self::BodyWhitespace => {
                ("body_whitespace", "sign and send the same bytes: a program trims the body")
            }
            Self::BodyCharset => (
                "body_charset",
                "pass the body on as bytes: a program decodes and encodes it as text",
            ),
            Self::BodyCompressed => (
                "body_compressed",
                "turn off the compression of requests between the service and the receiver",
            ),
            Self::BodyEncoded => (
                "body_encoded",
                "let the gateway pass on the raw body, or decode it before it is verified",
            ),
            Self::BodyReserialised => (
                "body_reserialised",
                "verify the bytes as they arrived: no body parser, proxy or gateway may write them \
                 again",
            ),
            Self::ContentEncoding => (
                "content_encoding",
                "check that no proxy compresses or decompresses the body of requests",
            ),
            Self::BodyEmpty => {
                ("body_empty", "verify the raw body: another program or layer has read it before")
            }
            Self::BodyCut => {
                ("body_cut", "check the limits and timeouts of the proxy, and how it was captured")
            }
            Self::BodyDamaged => (
                "body_damaged",
                "pass the body on as bytes: a program decodes it as text, and characters are lost",
            ),
            Self::BodySorted => (
                "body_sorted",
                "verify the raw body: a program that sorts the members has probably read it before",
            ),
            Self::OldTimestamp => (
                "old_timestamp",
                "compare the receiver's clock with the true time; if it is right, the delivery \
                 was late: send a new one, or raise `max_age`",
            ),
            Self::FutureTimestamp => (
                "future_timestamp",
                "compare the clocks of the receiver and of the sender with the true time",
            ),
            Self::Unknown => (
                "unknown",
                "compare the secret with the service's, and capture the request before the proxy",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_the_order_of_the_kinds_and_unique() {
        let source = include_str!("kind.rs");
        let (_, variants) = source.split_once("pub(super) enum Kind {").unwrap();
        let (variants, _) = variants.split_once("\n}").unwrap();
        let snake = |name: &str| {
            let mut text = String::new();
            for character in name.chars() {
                if character.is_uppercase() && !text.is_empty() {
                    text.push('_');
                }
                text.push(character.to_ascii_lowercase());
            }
            text
        };
        let names = variants.lines().map(|line| line.trim().trim_end_matches(','));
        let names: Vec<_> = names.filter(|name| !name.is_empty()).map(snake).collect();

        assert_eq!(names, Kind::CODES);
        for kind in [Kind::SecretWhitespace, Kind::OtherSecret, Kind::BodyCut, Kind::Unknown] {
            assert!(Kind::CODES.contains(&kind.code()));
        }
    }
}
