use super::{chunked, request::ParsedRequest};
use crate::cli::failure::Failure;

const MAX_HEADERS: usize = 128;
const START: &[u8] = b"POST / HTTP/1.1\r\n";

/// Reads an HTTP request, with or without its first line.
pub(super) fn read(text: &[u8]) -> Result<ParsedRequest, Failure> {
    let text = with_start(text);
    // A text that was copied may end after its last header.
    let ended = [&text[..], b"\r\n\r\n"].concat();
    let (headers, end) = match parse(&text)? {
        Some(parsed) => parsed,
        None => match parse(&ended)? {
            Some((headers, _)) => (headers, text.len()),
            None => return Err(Failure::input(UNKNOWN)),
        },
    };
    let body = text.get(end..).unwrap_or_default();
    Ok(with_body(headers, body))
}

const UNKNOWN: &str = "the input is no HTTP request, HAR log, curl command or capture";

type Headers = Vec<(String, Vec<u8>)>;

/// Adds the first line if the text begins with a header, and lets HTTP/2 be HTTP/1.1.
fn with_start(text: &[u8]) -> Vec<u8> {
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    let (line, rest) = text.split_at_checked(end).unwrap_or((text, b""));
    let line = line.trim_ascii_end();
    let words = line.split(|byte| *byte == b' ').count();
    let first = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    if first.ends_with(b":") {
        return [START, text].concat();
    }
    let line = match line.strip_suffix(b"HTTP/2.0").or(line.strip_suffix(b"HTTP/2")) {
        Some(line) => [line, b"HTTP/1.1"].concat(),
        // Some tools write no version.
        None if words == 2 => [line, b" HTTP/1.1"].concat(),
        None => line.to_vec(),
    };
    [&line, rest].concat()
}

fn parse(text: &[u8]) -> Result<Option<(Headers, usize)>, Failure> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(text) {
        Ok(httparse::Status::Complete(end)) => {
            let headers = request.headers.iter();
            let headers = headers.map(|header| (header.name.to_owned(), header.value.to_vec()));
            Ok(Some((headers.collect(), end)))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(Failure::input(format!("{UNKNOWN}; as an HTTP request: {error}"))),
    }
}

fn with_body(headers: Headers, body: &[u8]) -> ParsedRequest {
    let value = |wanted: &str| {
        let named = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.and_then(|(_, value)| str::from_utf8(value).ok()).map(str::trim)
    };
    if value("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return match chunked::decode(body) {
            Some(decoded) => ParsedRequest::new(headers, decoded),
            None => ParsedRequest::new(headers, body.to_vec())
                .with_note("the header says that the body is chunked, and the body is not"),
        };
    }
    let declared = value("content-length").and_then(|length| length.parse::<usize>().ok());
    match declared.and_then(|declared| body.get(..declared)) {
        Some(declared) if declared.len() < body.len() => {
            let more = body.len().saturating_sub(declared.len());
            let note = format!("{more} bytes after the declared length of the body are ignored");
            ParsedRequest::new(headers, declared.to_vec()).with_note(note)
        }
        // An editor may have added the newline.
        _ if declared.is_none() && body.ends_with(b"\n") => {
            ParsedRequest::new(headers, body.to_vec()).with_note(
                "the request has no `Content-Length`, so the newline at the end of the input is \
                 taken as a part of the body",
            )
        }
        _ => ParsedRequest::new(headers, body.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_requests_of_every_tool() {
        for (name, text, body) in [
            ("on the wire", &b"POST /w HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n{}"[..], &b"{}"[..]),
            ("with LF", b"POST /w HTTP/1.1\nHost: a\nX: 1\n\n{}\n", b"{}\n"),
            ("of HTTP/2", b"POST /w HTTP/2\nX: 1\n\n{}", b"{}"),
            ("without a version", b"POST /w\nX: 1\n\n{}", b"{}"),
            ("without its first line", b"X: 1\nY: 2\n\n{}", b"{}"),
            ("without a body", b"POST /w HTTP/1.1\r\nX: 1", b""),
            ("longer than declared", b"POST / HTTP/1.1\nX: 1\nContent-Length: 2\n\n{}\n", b"{}"),
            (
                "in chunks",
                b"POST / HTTP/1.1\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
                  1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
                b"{}",
            ),
        ] {
            let request = read(text).unwrap();
            assert_eq!(request.body, body, "{name}");
            let is_noted = request.notes.iter().any(|note| note.contains("newline"));
            assert_eq!(is_noted, name == "with LF", "{name}");
            assert!(request.headers.contains(&("X".into(), b"1".to_vec())), "{name}");
        }
        for text in [&b"hello"[..], b"\x00\x01", b"<html>\n\n"] {
            assert!(read(text).is_err(), "{}", text.escape_ascii());
        }
    }
}
