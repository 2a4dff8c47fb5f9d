use mail_parser::MessageParser;

/// What is logged of a mail: numbers, and no text of its author.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) attachments: usize,
    pub(crate) text_bytes: usize,
}

impl Summary {
    /// Parses a raw mail.
    pub(crate) fn of(raw: &[u8]) -> Option<Self> {
        let message = MessageParser::default().parse(raw)?;
        let text = message.body_text(0);
        Some(Self {
            attachments: message.attachment_count(),
            text_bytes: text.map_or(0, |text| text.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_with_an_attachment_is_summed_up() {
        let raw = b"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
            --x\r\nContent-Type: text/plain\r\n\r\nHello\r\n\
            --x\r\nContent-Type: image/png\r\nContent-Disposition: attachment\r\n\r\n...\r\n\
            --x--\r\n";

        assert_eq!(Summary::of(raw), Some(Summary { attachments: 1, text_bytes: 5 }));
    }

    #[test]
    fn no_bytes_are_no_mail() {
        assert_eq!(Summary::of(b""), None);
    }
}
