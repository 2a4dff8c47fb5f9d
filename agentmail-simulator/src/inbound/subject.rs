use encoding_rs::Encoding;
use mail_parser::decoders::base64::base64_decode;

use crate::inbound::{text::Text, utf7};

/// Decodes the raw value of a header as Python's `email` package does with its default policy.
///
/// There is one difference: where that policy fails, because a word in UTF-7 has a lone surrogate,
/// the result is that of `email.header.decode_header`.
pub(super) fn decode(raw: &[u8]) -> Text {
    let unfolded: Vec<u8> =
        raw.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let mut rest = unfolded.trim_ascii_start();
    let mut text = Text::default();
    let mut after_word = false;
    while let Some((before, word, after)) = next_word(rest) {
        // Whitespace between two encoded words is not part of the text.
        if !(after_word && before.iter().all(u8::is_ascii_whitespace)) {
            text.push_str(&String::from_utf8_lossy(before));
        }
        word.decode(&mut text);
        (rest, after_word) = (after, true);
    }
    text.push_str(&String::from_utf8_lossy(rest));
    text
}

/// An encoded word of RFC 2047: `=?charset?Q?text?=`.
struct Word<'a> {
    charset: &'a [u8],
    encoding: u8,
    text: &'a [u8],
}

/// Splits at the first encoded word.
fn next_word(bytes: &[u8]) -> Option<(&[u8], Word<'_>, &[u8])> {
    let mut searched = 0;
    loop {
        let start = searched + find(bytes.get(searched..)?, b"=?")?;
        if let Some((word, length)) = bytes.get(start..).and_then(word) {
            return Some((bytes.get(..start)?, word, bytes.get(start + length..)?));
        }
        searched = start + 2;
    }
}

/// Reads the encoded word at the start, and returns its length.
fn word(bytes: &[u8]) -> Option<(Word<'_>, usize)> {
    let inner = bytes.strip_prefix(b"=?")?;
    let mut parts = inner.splitn(3, |&byte| byte == b'?');
    let (charset, encoding, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let [encoding] = encoding else { return None };
    if charset.is_empty() || !charset.is_ascii() || !b"qQbB".contains(encoding) {
        return None;
    }
    let text = rest.get(..find(rest, b"?=")?)?;
    let charset = charset.split(|&byte| byte == b'*').next()?; // a language may follow
    let length = bytes.len() - rest.len() + text.len() + 2;
    Some((Word { charset, encoding: encoding.to_ascii_lowercase(), text }, length))
}

impl Word<'_> {
    fn decode(&self, text: &mut Text) {
        let bytes = match self.encoding {
            b'b' => base64_decode(self.text).unwrap_or_default(),
            _ => quoted(self.text),
        };
        if self.charset.eq_ignore_ascii_case(b"utf-7") {
            text.push_units(utf7::decode(&bytes));
        } else if let Some(encoding) = Encoding::for_label(self.charset) {
            text.push_str(&encoding.decode_without_bom_handling(&bytes).0);
        } else {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
}

/// Decodes the encoding Q: `_` is a space, and `=E9` a byte.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let digits = tail.first_chunk().and_then(|digits: &[u8; 2]| str::from_utf8(digits).ok());
        let value = digits
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, value) {
            (b'=', Some(value)) => {
                bytes.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(if *first == b'_' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    bytes
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(raw: &[u8]) -> String {
        let mut json = String::new();
        decode(raw).write_json(&mut json);
        json
    }

    /// Made with Python's `email.message_from_bytes(…, policy=email.policy.default)`, and the word
    /// in UTF-7 with `str(make_header(decode_header(…)))`.
    #[test]
    fn decodes_as_python_does() {
        for (raw, expected) in [
            (&b" plain"[..], r#""plain""#),
            (b" =?utf-7?Q?+2D0-_x?=", r#""\ud83d x""#),
            (b" caf\xe9 \xc3\xa9", r#""caf\ufffd \u00e9""#),
            (b" =?utf-8?B?w6k=?= =?iso-8859-1?Q?=E9_x?= y", r#""\u00e9\u00e9 x y""#),
            (b" =?utf-8?Q?bad=FF?=", r#""bad\ufffd""#),
            (b" =?nonsense?Q?abc?= d", r#""abc d""#),
            (b" a\r\n b\r\n\tc", r#""a b\tc""#),
            (b"", r#""""#),
            (b" =?utf-8?X?abc?= =? ?= =?", r#""=?utf-8?X?abc?= =? ?= =?""#),
        ] {
            assert_eq!(json(raw), expected, "{}", String::from_utf8_lossy(raw));
        }
    }
}
