use mail_parser::{HeaderName, MessageParser};

use crate::inbound::{subject, text::Text};

/// What the payload needs of a raw message.
#[derive(Debug, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) sender: Option<String>,
    pub(crate) subject: Option<Text>,
}

/// The bytes have no header field.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a mail: there is no header field")]
pub(crate) struct NotAMessage;

/// Reads the header of a raw message (RFC 5322). The rest of the message is not read.
pub(crate) fn parse(raw: &[u8]) -> Result<Parsed, NotAMessage> {
    if !begins_with_a_field(raw) {
        return Err(NotAMessage);
    }
    let message = MessageParser::default().parse_headers(raw).ok_or(NotAMessage)?;
    let sender = message.from().and_then(|from| from.first()).and_then(|it| it.address());
    let subject = message.headers().iter().find(|header| header.name == HeaderName::Subject);
    let subject = subject.and_then(|header| {
        let start = usize::try_from(header.offset_start()).ok()?;
        let end = usize::try_from(header.offset_end()).ok()?;
        raw.get(start..end)
    });
    Ok(Parsed { sender: sender.map(str::to_owned), subject: subject.map(subject::decode) })
}

/// Whether the first line is a header field: a name, and a colon.
fn begins_with_a_field(raw: &[u8]) -> bool {
    let name = raw.split(|&byte| byte == b':').next().unwrap_or_default();
    name.len() < raw.len()
        && !name.is_empty()
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_first_senders_address_and_the_subject() {
        for (name, raw, sender, subject) in [
            (
                "plain",
                &b"From: A <user@example.com>, b@example.com\r\nSubject: Hello\r\n\r\nbody"[..],
                Some("user@example.com"),
                Some("Hello"),
            ),
            (
                "without a subject",
                b"From: user@example.com\r\n\r\nbody",
                Some("user@example.com"),
                None,
            ),
            ("an empty subject", b"Subject:\r\nFrom: a@b.c\r\n\r\n", Some("a@b.c"), Some("")),
            ("line feeds only", b"Subject: a\nFrom: a@b.c\n\nbody", Some("a@b.c"), Some("a")),
            ("without a body", b"Subject: a\r\n", None, Some("a")),
            ("raw bytes", b"Subject: \xff\r\n\r\n", None, Some("\u{fffd}")),
        ] {
            let parsed = parse(raw).unwrap();

            assert_eq!(parsed.sender.as_deref(), sender, "{name}");
            assert_eq!(parsed.subject, subject.map(Text::from), "{name}");
        }
    }

    #[test]
    fn refuses_what_has_no_header_field() {
        for raw in [&b""[..], b"\r\n\r\nbody", b"no header here", b"a name: b", b"{\"from\":1}"] {
            assert_eq!(parse(raw), Err(NotAMessage), "{}", String::from_utf8_lossy(raw));
        }
    }
}
