use crate::settings::Settings;

/// Reads the content of a mail after DATA. It ends with `.` in a line of its own, whose ends are CR
/// LF: a server that accepts another end lets a client smuggle a second mail into the first one.
#[derive(Debug)]
pub(super) struct Data {
    bytes: Vec<u8>,
    limit: usize,
    line: usize,
    read: usize,
    position: Position,
    flaw: Option<Flaw>,
}

/// Why a mail is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is longer than the limit.
    TooLong,
    LineTooLong,
    /// A CR or a LF is alone.
    BareLineEnd,
}

/// Where the next byte is.
#[derive(Debug, Clone, Copy)]
enum Position {
    Start,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot and a CR at the start of a line.
    DotCr,
    Inside,
    /// After a CR.
    Cr,
}

/// What follows the bytes that were read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    /// The content ends after so many of the bytes.
    End(usize),
    /// So much follows the limit that the connection must be closed.
    GiveUp,
}

impl Data {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, line: 0, read: 0, position: Position::Start, flaw: None }
    }

    /// Reads bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Progress {
        for (index, &byte) in bytes.iter().enumerate() {
            self.read = self.read.saturating_add(1);
            if self.step(byte) {
                return Progress::End(index + 1);
            }
        }
        let patience = self.limit.saturating_mul(2);
        if self.read > patience { Progress::GiveUp } else { Progress::More }
    }

    /// Returns the content, with dots as they were before they were doubled.
    pub(super) fn finish(self) -> Result<Vec<u8>, Flaw> {
        match self.flaw {
            None => Ok(self.bytes),
            Some(flaw) => Err(flaw),
        }
    }

    /// Reads a byte. Returns whether the content has ended.
    fn step(&mut self, byte: u8) -> bool {
        self.position = match (self.position, byte) {
            (Position::Start, b'.') => Position::Dot,
            (Position::DotCr, b'\n') => return true,
            (Position::Dot, b'\r') => Position::DotCr,
            (Position::Cr, b'\n') => {
                self.keep(b'\r');
                self.keep(b'\n');
                self.line = 0;
                Position::Start
            }
            (Position::Cr | Position::DotCr, _) => {
                self.refuse(Flaw::BareLineEnd);
                if byte == b'\r' { Position::Cr } else { Position::Inside }
            }
            (_, b'\r') => Position::Cr,
            (_, b'\n') => {
                self.refuse(Flaw::BareLineEnd);
                Position::Inside
            }
            _ => {
                self.keep(byte);
                Position::Inside
            }
        };
        false
    }

    fn keep(&mut self, byte: u8) {
        self.line = self.line.saturating_add(1);
        if self.line > Settings::LINE_BYTES {
            self.refuse(Flaw::LineTooLong);
        }
        if self.bytes.len() >= self.limit {
            self.refuse(Flaw::TooLong);
        }
        if self.flaw.is_none() {
            self.bytes.push(byte);
        }
    }

    fn refuse(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
        self.bytes = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the content in pieces of one length.
    fn read(wire: &[u8], piece: usize, limit: usize) -> (Option<usize>, Result<Vec<u8>, Flaw>) {
        let mut data = Data::new(limit);
        let mut before = 0;
        for bytes in wire.chunks(piece) {
            match data.push(bytes) {
                Progress::More => before += bytes.len(),
                Progress::End(consumed) => return (Some(before + consumed), data.finish()),
                Progress::GiveUp => break,
            }
        }
        (None, data.finish())
    }

    #[test]
    fn the_content_ends_with_a_dot_between_whole_line_ends_only() {
        for (name, wire, end, content) in [
            (
                "a mail",
                &b"A: b\r\n\r\nhi\r\n.\r\nQUIT\r\n"[..],
                Some(15),
                Ok(&b"A: b\r\n\r\nhi\r\n"[..]),
            ),
            ("doubled dots", b"..\r\n...a\r\n.b\r\n.\r\n", Some(17), Ok(b".\r\n..a\r\nb\r\n")),
            ("a dot inside", b"a.\r\n.\r\n", Some(7), Ok(b"a.\r\n")),
            ("nothing", b".\r\n", Some(3), Ok(b"")),
            ("LF dot LF", b"a\n.\nMAIL FROM:<x>\r\n.\r\n", Some(22), Err(Flaw::BareLineEnd)),
            ("LF dot CRLF", b"a\n.\r\nMAIL\r\n.\r\n", Some(14), Err(Flaw::BareLineEnd)),
            ("CR dot CR", b"a\r.\rMAIL\r\n.\r\n", Some(13), Err(Flaw::BareLineEnd)),
            ("CRLF dot LF", b"a\r\n.\nMAIL\r\n.\r\n", Some(14), Err(Flaw::BareLineEnd)),
            ("CRLF dot CR", b"a\r\n.\rMAIL\r\n.\r\n", Some(14), Err(Flaw::BareLineEnd)),
            ("CR CRLF dot CRLF", b"a\r\r\n.\r\n", Some(7), Err(Flaw::BareLineEnd)),
            ("dot CR CRLF", b"\r\n.\r\r\n.\r\n", Some(9), Err(Flaw::BareLineEnd)),
            ("no end", b"a\r\n.", None, Ok(b"a\r\n")),
        ] {
            for piece in 1..=wire.len() {
                let (found, result) = read(wire, piece, 100);

                assert_eq!(found, end, "{name}, in pieces of {piece}");
                let expected = content.map(<[u8]>::to_vec);
                assert_eq!(result, expected, "{name}, in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        let mut long = b"abcdefgh\r\n".repeat(2);
        long.extend_from_slice(b".\r\n");
        assert_eq!(read(&long, 7, 20).1.map(|it| it.len()), Ok(20));
        assert_eq!(read(&long, 7, 19), (Some(23), Err(Flaw::TooLong)));
        assert_eq!(read(&b"a\r\n".repeat(50), 10, 50), (None, Err(Flaw::TooLong)), "it gives up");

        let mut line = vec![b'a'; Settings::LINE_BYTES];
        line.extend_from_slice(b"\r\n.\r\n");
        assert_eq!(read(&line, 4096, 1 << 20), (Some(line.len()), Err(Flaw::LineTooLong)));
    }
}
