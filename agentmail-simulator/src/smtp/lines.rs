use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::smtp::data::{Data, Flaw, Progress};

/// The longest command, with its line end, in bytes. RFC 5321 allows 512.
pub(super) const COMMAND_BYTES: usize = 1_000;

/// A line of a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its end.
    Whole(Vec<u8>),
    /// A CR or a LF is alone.
    BareLineEnd,
    TooLong,
    /// The client has closed the connection.
    Closed,
}

/// The content of a mail.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    Whole(Vec<u8>),
    Refused(Flaw),
    /// The client has closed the connection, or does not stop.
    Closed,
}

/// Reads a command.
pub(super) async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Line> {
    let mut line = Vec::new();
    loop {
        let buffer = reader.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(Line::Closed);
        }
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let taken = end.map_or(buffer.len(), |end| end + 1);
        line.extend_from_slice(buffer.get(..taken).unwrap_or_default());
        reader.consume(taken);
        if line.len() > COMMAND_BYTES {
            return Ok(Line::TooLong);
        }
        if end.is_some() {
            let whole = line.strip_suffix(b"\r\n").filter(|it| !it.contains(&b'\r'));
            return Ok(whole.map_or(Line::BareLineEnd, |it| Line::Whole(it.to_vec())));
        }
    }
}

/// Reads the content of a mail.
pub(super) async fn content(
    reader: &mut (impl AsyncBufRead + Unpin),
    limit: usize,
) -> io::Result<Content> {
    let mut data = Data::new(limit);
    loop {
        let buffer = reader.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(Content::Closed);
        }
        let length = buffer.len();
        match data.push(buffer) {
            Progress::More => reader.consume(length),
            Progress::GiveUp => return Ok(Content::Closed),
            Progress::End(taken) => {
                reader.consume(taken);
                return Ok(data.finish().map_or_else(Content::Refused, Content::Whole));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_ends_with_cr_and_lf_and_is_short() {
        for (name, bytes, expected) in [
            ("a command", &b"NOOP\r\nQUIT"[..], Line::Whole(b"NOOP".to_vec())),
            ("an empty line", b"\r\n", Line::Whole(Vec::new())),
            ("LF alone", b"NOOP\nQUIT\r\n", Line::BareLineEnd),
            ("CR alone", b"NOOP\rQUIT\r\n", Line::BareLineEnd),
            ("no end", b"NOOP", Line::Closed),
            ("nothing", b"", Line::Closed),
            ("at the limit", &[&[b'a'; 998][..], b"\r\n"].concat(), Line::Whole(vec![b'a'; 998])),
            ("beyond the limit", &[&[b'a'; 999][..], b"\r\n"].concat(), Line::TooLong),
            ("endless", &[b'a'; 5_000], Line::TooLong),
        ] {
            for capacity in [1, 7, 8_192] {
                let mut reader = tokio::io::BufReader::with_capacity(capacity, bytes);

                assert_eq!(line(&mut reader).await.unwrap(), expected, "{name}, {capacity}");
            }
        }
    }
}
