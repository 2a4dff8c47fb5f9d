/// A reply: a code, and one line of text for each line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    pub(super) fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, lines: vec![text.into()] }
    }

    /// Creates a reply with several lines.
    pub(super) fn lines(code: u16, lines: impl IntoIterator<Item = String>) -> Self {
        Self { code, lines: lines.into_iter().collect() }
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> u16 {
        self.code
    }

    pub(super) fn is_error(&self) -> bool {
        self.code >= 400
    }

    /// Writes the reply. What is not printable ASCII in a text becomes a question mark.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (index, line) in self.lines.iter().enumerate() {
            let separator = if index + 1 < self.lines.len() { '-' } else { ' ' };
            bytes.extend_from_slice(format!("{}{separator}", self.code).as_bytes());
            let printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
            bytes.extend(line.bytes().map(|byte| if printable(byte) { byte } else { b'?' }));
            bytes.extend_from_slice(b"\r\n");
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_line_has_a_space_after_the_code() {
        let reply = Reply::lines(250, ["one".to_owned(), "two".to_owned()]);

        assert_eq!(reply.to_bytes(), b"250-one\r\n250 two\r\n");
    }

    #[test]
    fn a_text_adds_no_line() {
        assert_eq!(Reply::new(550, "a\r\n250 ok").to_bytes(), b"550 a??250 ok\r\n");
    }
}
