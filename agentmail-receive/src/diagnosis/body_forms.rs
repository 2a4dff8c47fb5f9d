use std::io::{self, Read};

use base64::{Engine, engine::general_purpose::STANDARD};
use encoding_rs::{UTF_16LE, WINDOWS_1252};
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::{kind::Kind, search::Step};

type Undo = fn(&[u8]) -> Option<Vec<u8>>;

/// Changes of a body, each with the way to undo it. The more specific come first.
const CHANGES: &[(Kind, &str, Undo)] = &[
    (Kind::BodyByteOrderMark, "a byte order mark was removed from the start of the body", |body| {
        Some([BYTE_ORDER_MARK, body].concat())
    }),
    (Kind::BodyByteOrderMark, "a byte order mark was added at the start of the body", |body| {
        body.strip_prefix(BYTE_ORDER_MARK).map(<[u8]>::to_vec)
    }),
    (Kind::BodyFinalNewline, "the newline at the end of the body was removed", |body| {
        Some([body, b"\n"].concat())
    }),
    (Kind::BodyFinalNewline, "the newline at the end of the body was removed", |body| {
        Some([body, b"\r\n"].concat())
    }),
    (Kind::BodyFinalNewline, "a newline was added at the end of the body", |body| {
        body.strip_suffix(b"\r\n").map(<[u8]>::to_vec)
    }),
    (Kind::BodyFinalNewline, "a newline was added at the end of the body", |body| {
        body.strip_suffix(b"\n").map(<[u8]>::to_vec)
    }),
    (Kind::BodyFinalNewline, "newlines were added at the end of the body", without_newlines),
    (Kind::BodyLineEnds, "line ends were changed from CRLF to LF", |body| {
        Some(with_crlf(&with_lf(body)))
    }),
    (Kind::BodyLineEnds, "line ends were changed from LF to CRLF", |body| Some(with_lf(body))),
    (Kind::BodyWhitespace, "whitespace was added at the start or the end of the body", |body| {
        Some(body.trim_ascii().to_vec())
    }),
    (Kind::BodyCharset, "the body was decoded as Latin-1 and encoded as UTF-8", |body| {
        latin_1(str::from_utf8(body).ok()?)
    }),
    (Kind::BodyCharset, "the body was decoded as Windows-1252 and encoded as UTF-8", |body| {
        let (bytes, _, unmappable) = WINDOWS_1252.encode(str::from_utf8(body).ok()?);
        (!unmappable).then(|| bytes.into_owned())
    }),
    (Kind::BodyCharset, "the body was encoded as Latin-1 instead of UTF-8", |body| {
        Some(body.iter().copied().map(char::from).collect::<String>().into_bytes())
    }),
    (Kind::BodyCharset, "the body was encoded as Windows-1252 instead of UTF-8", |body| {
        Some(WINDOWS_1252.decode_without_bom_handling(body).0.into_owned().into_bytes())
    }),
    (Kind::BodyCharset, "the body was encoded as UTF-16 instead of UTF-8", |body| {
        let body = body.strip_prefix(b"\xff\xfe").unwrap_or(body);
        let (text, malformed) = UTF_16LE.decode_without_bom_handling(body);
        (!malformed).then(|| text.into_owned().into_bytes())
    }),
    (Kind::BodyCompressed, "the body was compressed with gzip after it was signed", gunzipped),
    (Kind::BodyCompressed, "the body was compressed with zlib after it was signed", inflated_zlib),
    (Kind::BodyCompressed, "the body was compressed with deflate after it was signed", inflated),
    (Kind::BodyEncoded, "the body was encoded as base64 after it was signed", |body| {
        STANDARD.decode(body).ok()
    }),
    (Kind::BodyEncoded, "the body was encoded as a JSON string after it was signed", |body| {
        serde_json::from_slice::<String>(bare(body)?).ok().map(String::into_bytes)
    }),
    (
        Kind::BodyEncoded,
        "the body was put into the member `body` of another JSON object after it was signed",
        in_envelope,
    ),
];

/// The changes that often happen together with another one.
const COMMON: usize = 10;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns the bodies that differ from this one by one change.
pub(super) fn single(body: &[u8]) -> impl Iterator<Item = (Vec<u8>, Step)> {
    apply(CHANGES, body)
}

/// The same, with the most common changes only.
pub(super) fn common(body: &[u8]) -> impl Iterator<Item = (Vec<u8>, Step)> {
    apply(CHANGES.get(..COMMON).unwrap_or(CHANGES), body)
}

fn apply(
    changes: &'static [(Kind, &'static str, Undo)],
    body: &[u8],
) -> impl Iterator<Item = (Vec<u8>, Step)> {
    changes.iter().filter_map(move |(kind, sentence, undo)| {
        let undone = undo(body)?;
        (undone != body).then(|| (undone, Step::new(*kind, *sentence)))
    })
}

/// Says what was added around JSON, which is lost when the JSON is read.
pub(super) fn around_json(body: &[u8]) -> Option<Step> {
    let json = body.trim_ascii();
    if json.len() == body.len() {
        return None;
    }
    Some(match without_newlines(body) {
        Some(without) if without == json => {
            Step::new(Kind::BodyFinalNewline, "a newline was added at the end of the body")
        }
        _ => Step::new(
            Kind::BodyWhitespace,
            "whitespace was added at the start or the end of the body",
        ),
    })
}

/// Returns a body without whitespace around it. A step undoes one change only.
fn bare(body: &[u8]) -> Option<&[u8]> {
    (body.trim_ascii().len() == body.len()).then_some(body)
}

fn without_newlines(body: &[u8]) -> Option<Vec<u8>> {
    let end = body.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n'))?;
    body.get(..=end).map(<[u8]>::to_vec)
}

fn with_lf(body: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(body.len());
    let mut bytes = body.iter().peekable();
    while let Some(byte) = bytes.next() {
        if !(*byte == b'\r' && bytes.peek() == Some(&&b'\n')) {
            lines.push(*byte);
        }
    }
    lines
}

fn with_crlf(body: &[u8]) -> Vec<u8> {
    let lines: Vec<_> = body.split(|byte| *byte == b'\n').collect();
    lines.join(&b"\r\n"[..])
}

fn latin_1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|character| u8::try_from(character).ok()).collect()
}

/// Decompresses at most this much: a small body may decompress into gigabytes.
const MAX_DECOMPRESSED: u64 = 4 << 20;

fn gunzipped(body: &[u8]) -> Option<Vec<u8>> {
    decompress(body, |rest, plain| GzDecoder::new(rest).take(MAX_DECOMPRESSED).read_to_end(plain))
}

fn inflated_zlib(body: &[u8]) -> Option<Vec<u8>> {
    decompress(body, |rest, plain| ZlibDecoder::new(rest).take(MAX_DECOMPRESSED).read_to_end(plain))
}

fn inflated(body: &[u8]) -> Option<Vec<u8>> {
    decompress(body, |rest, plain| {
        DeflateDecoder::new(rest).take(MAX_DECOMPRESSED).read_to_end(plain)
    })
}

/// Returns nothing if anything follows what was compressed.
fn decompress(
    body: &[u8],
    decoder: fn(&mut &[u8], &mut Vec<u8>) -> io::Result<usize>,
) -> Option<Vec<u8>> {
    let (mut rest, mut plain) = (body, Vec::new());
    let len = decoder(&mut rest, &mut plain).ok()?;
    let fits = u64::try_from(len).is_ok_and(|len| len < MAX_DECOMPRESSED);
    (fits && len > 0 && rest.is_empty()).then_some(plain)
}

/// Gateways put the body of a request into an event of their own, some of them as base64.
fn in_envelope(body: &[u8]) -> Option<Vec<u8>> {
    let event: serde_json::Value = serde_json::from_slice(bare(body)?).ok()?;
    let inner = event.get("body")?.as_str()?;
    if event.get("isBase64Encoded").and_then(serde_json::Value::as_bool) == Some(true) {
        return STANDARD.decode(inner).ok();
    }
    Some(inner.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_first_step_that_restores_a_body_names_the_change() {
        let gzip = |body: &[u8]| {
            let mut writer =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            writer.write_all(body).unwrap();
            writer.finish().unwrap()
        };
        for (arrived, signed, sentence) in [
            (&b"{}"[..], &b"\xef\xbb\xbf{}"[..], "removed from the start"),
            (b"\xef\xbb\xbf{}", b"{}", "added at the start"),
            (b"{}", b"{}\n", "newline at the end of the body was removed"),
            (b"{}", b"{}\r\n", "newline at the end of the body was removed"),
            (b"{}\n", b"{}", "newline was added at the end"),
            (b"{}\r\n", b"{}", "newline was added at the end"),
            (b"{\n}\n", b"{\r\n}\r\n", "from CRLF to LF"),
            (b"{\r\n}\r\n", b"{\n}\n", "from LF to CRLF"),
            (b" {} ", b"{}", "whitespace was added"),
            ("Ã©".as_bytes(), "é".as_bytes(), "decoded as Latin-1"),
            ("â‚¬".as_bytes(), "€".as_bytes(), "decoded as Windows-1252"),
            (b"\xe9", "é".as_bytes(), "encoded as Latin-1"),
            (b"\x80", "€".as_bytes(), "encoded as Windows-1252"),
            (b"\xff\xfe{\0}\0", b"{}", "encoded as UTF-16"),
            (&gzip(b"{}"), b"{}", "gzip"),
            (b"e30=", b"{}", "base64"),
            (br#""{}""#, b"{}", "JSON string"),
            (br#"{"body":"{}"}"#, b"{}", "member `body`"),
            (br#"{"body":"e30=","isBase64Encoded":true}"#, b"{}", "member `body`"),
        ] {
            let found = single(arrived).find(|(body, _)| body == signed);
            let (_, step) = found.unwrap_or_else(|| panic!("{}", arrived.escape_ascii()));
            assert!(step.sentence().contains(sentence), "{sentence}: {}", step.sentence());
        }
    }

    #[test]
    fn a_bomb_is_not_decompressed() {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        writer.write_all(&vec![b' '; 8 << 20]).unwrap();
        let bomb = writer.finish().unwrap();

        assert!(bomb.len() < 10_000);
        assert!(single(&bomb).all(|(body, _)| body.len() < 100_000));
    }
}
