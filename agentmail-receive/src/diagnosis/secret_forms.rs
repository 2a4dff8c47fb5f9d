use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use zeroize::Zeroizing;

use super::{kind::Kind, search::Step};

/// A text that may be the secret of the sender, made from the text that the receiver has.
pub(super) type Candidate = (Zeroizing<Vec<u8>>, Step);

type Undo = fn(&[u8]) -> Option<Vec<u8>>;

/// Mistakes in the receiver's text, each with its remedy.
const MISTAKES: &[(Kind, &str, Undo)] = &[
    (
        Kind::SecretWhitespace,
        "the receiver's secret has whitespace at its start or end, and the sender's has none",
        trimmed,
    ),
    (Kind::SecretQuotes, "the receiver's secret is in quotes, and the sender's is not", unquoted),
    (
        Kind::SecretByteOrderMark,
        "the receiver's secret begins with a byte order mark",
        without_byte_order_mark,
    ),
    (
        Kind::SecretName,
        "the receiver's secret begins with the name of a variable, as in `NAME=secret`",
        without_name,
    ),
    (
        Kind::SecretJson,
        "the receiver's secret is JSON that contains the secret of the sender",
        in_json,
    ),
    (
        Kind::SecretBase64,
        "the receiver's secret is base64 of the secret that the sender signs with",
        from_base64,
    ),
    (
        Kind::SecretHex,
        "the receiver's secret is hex of the secret that the sender signs with",
        from_hex,
    ),
    (
        Kind::SecretPrefix,
        "the sender signs with the receiver's secret without its prefix",
        without_prefix,
    ),
    (
        Kind::SecretCharacters,
        "the receiver's secret has an invisible character or an escape that the sender's has not",
        without_escapes,
    ),
];

/// Mistakes in the sender's text, each applied to the text of the receiver.
const SENDERS: &[(Kind, &str, Undo)] = &[
    (Kind::SecretWhitespace, SENDER_WHITESPACE, |text| Some([text, b"\n"].concat())),
    (Kind::SecretWhitespace, SENDER_WHITESPACE, |text| Some([text, b"\r\n"].concat())),
    (Kind::SecretWhitespace, SENDER_WHITESPACE, |text| Some([text, b" "].concat())),
    (Kind::SecretWhitespace, SENDER_WHITESPACE, |text| Some([b" ", text].concat())),
    (Kind::SecretQuotes, SENDER_QUOTES, |text| Some([b"\"", text, b"\""].concat())),
    (Kind::SecretQuotes, SENDER_QUOTES, |text| Some([b"'", text, b"'"].concat())),
    (Kind::SecretByteOrderMark, "the sender's secret begins with a byte order mark", |text| {
        Some([BYTE_ORDER_MARK, text].concat())
    }),
    (
        Kind::SecretPrefix,
        "the sender signs with the receiver's secret and a prefix before it, `whsec_`",
        |text| Some([b"whsec_", text].concat()),
    ),
    (Kind::SecretBase64, "the sender signs with base64 of the receiver's secret", |text| {
        Some(STANDARD.encode(text).into_bytes())
    }),
    (Kind::SecretHex, "the sender signs with hex of the receiver's secret", |text| {
        Some(const_hex::encode(text).into_bytes())
    }),
];

const SENDER_WHITESPACE: &str =
    "the sender's secret has whitespace at its start or end, and the receiver's has none";
const SENDER_QUOTES: &str = "the sender's secret is in quotes, and the receiver's is not";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns the texts that differ from this one by one mistake.
pub(super) fn single(text: &[u8]) -> impl Iterator<Item = Candidate> {
    apply(MISTAKES, text).chain(apply(SENDERS, text))
}

/// Says what looks like a mistake in a text. Base64, hex and a prefix are usual.
pub(super) fn doubts(text: &[u8]) -> Vec<&'static str> {
    let is_doubtful =
        |kind: &Kind| !matches!(kind, Kind::SecretBase64 | Kind::SecretHex | Kind::SecretPrefix);
    let doubtful = MISTAKES.iter().filter(|(kind, _, undo)| {
        is_doubtful(kind) && undo(text).is_some_and(|undone| undone != text)
    });
    doubtful.map(|(kind, ..)| doubt(*kind)).collect()
}

const fn doubt(kind: Kind) -> &'static str {
    match kind {
        Kind::SecretWhitespace => "it has whitespace at its start or end",
        Kind::SecretQuotes => "it is in quotes, which are a part of the secret",
        Kind::SecretByteOrderMark => "it begins with a byte order mark",
        Kind::SecretName => "it begins with a name, as in `NAME=secret`",
        Kind::SecretJson => "it is JSON, and not the value in it",
        _ => "it has an invisible character or an escape",
    }
}

/// Returns the texts that differ from this one by two mistakes of the receiver.
pub(super) fn pairs(text: &[u8]) -> impl Iterator<Item = (Candidate, Step)> {
    apply(MISTAKES, text).flat_map(|(once, first)| {
        let twice: Vec<_> = apply(MISTAKES, &once).collect();
        twice.into_iter().map(move |candidate| (candidate, first.clone()))
    })
}

fn apply(
    list: &'static [(Kind, &'static str, Undo)],
    text: &[u8],
) -> impl Iterator<Item = Candidate> {
    list.iter().filter_map(move |(kind, sentence, undo)| {
        let changed = Zeroizing::new(undo(text)?);
        (*changed != text && !changed.is_empty()).then(|| (changed, Step::new(*kind, *sentence)))
    })
}

fn trimmed(text: &[u8]) -> Option<Vec<u8>> {
    match str::from_utf8(text) {
        Ok(text) => Some(text.trim().as_bytes().to_vec()),
        Err(_) => Some(text.trim_ascii().to_vec()),
    }
}

fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let inner = |open: &str, close: &str| {
        text.strip_prefix(open.as_bytes())?.strip_suffix(close.as_bytes()).map(<[u8]>::to_vec)
    };
    [("\"", "\""), ("'", "'"), ("`", "`"), ("“", "”"), ("‘", "’"), ("<", ">")]
        .iter()
        .find_map(|(open, close)| inner(open, close))
}

fn without_byte_order_mark(text: &[u8]) -> Option<Vec<u8>> {
    let utf16 = [(&b"\xff\xfe"[..], encoding_rs::UTF_16LE), (b"\xfe\xff", encoding_rs::UTF_16BE)];
    let utf8 = text.strip_prefix(BYTE_ORDER_MARK).map(<[u8]>::to_vec);
    utf8.or_else(|| {
        utf16.iter().find_map(|(mark, encoding)| {
            let (text, malformed) = encoding.decode_without_bom_handling(text.strip_prefix(*mark)?);
            (!malformed).then(|| text.into_owned().into_bytes())
        })
    })
}

fn without_name(text: &[u8]) -> Option<Vec<u8>> {
    let at = text.iter().position(|byte| matches!(byte, b'=' | b':'))?;
    let (name, value) = text.split_at_checked(at)?;
    let name = name.strip_prefix(b"export ").unwrap_or(name);
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if name.is_empty() || !name.iter().all(is_name) {
        return None;
    }
    // YAML has a space after the colon.
    Some(value.strip_prefix(b": ").or(value.get(1..))?.to_vec())
}

fn in_json(text: &[u8]) -> Option<Vec<u8>> {
    use serde_json::Value;

    let of_object = |members: serde_json::Map<String, Value>| {
        let mut texts = members.into_iter().filter_map(|(name, value)| match value {
            Value::String(value) => Some((name, value)),
            _ => None,
        });
        let first = texts.next()?;
        let named = |(name, _): &(String, String)| name.contains("secret");
        if named(&first) { Some(first.1) } else { Some(texts.find(named).unwrap_or(first).1) }
    };
    match serde_json::from_slice(bare(text)?).ok()? {
        Value::Object(members) => of_object(members).map(String::into_bytes),
        _ => None,
    }
}

fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|engine| engine.decode(text).ok())
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    const_hex::decode(text).ok()
}

fn without_prefix(text: &[u8]) -> Option<Vec<u8>> {
    let at = text.iter().position(|byte| *byte == b'_')?;
    let (prefix, rest) = text.split_at_checked(at)?;
    prefix.iter().all(u8::is_ascii_alphanumeric).then(|| rest.get(1..).map(<[u8]>::to_vec))?
}

/// Returns a text without whitespace or a mark around it. A step undoes one mistake only.
fn bare(text: &[u8]) -> Option<&[u8]> {
    let is_bare = trimmed(text)? == text && !text.starts_with(BYTE_ORDER_MARK);
    is_bare.then_some(text)
}

/// Removes invisible and control characters, and decodes `%41`, `\n` and `\"`.
fn without_escapes(text: &[u8]) -> Option<Vec<u8>> {
    let text = str::from_utf8(bare(text)?).ok()?;
    let is_visible = |character: &char| {
        (!character.is_control() || character.is_whitespace())
            && !matches!(
                character,
                '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fffd}'
            )
    };
    let visible: String = text.chars().filter(is_visible).collect();
    if visible != text {
        return Some(visible.into_bytes());
    }
    let unescaped = text.replace("\\r", "").replace("\\n", "").replace('\\', "");
    if unescaped != text {
        return Some(unescaped.into_bytes());
    }
    Some(percent_encoding::percent_decode_str(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of the tests' secrets are the same after any one mistake is undone.
    fn codes_that_find(receiver: &[u8], sender: &[u8]) -> Vec<&'static str> {
        let found = single(receiver).filter(|(text, _)| ***text == *sender);
        found.map(|(_, step)| step.kind().code()).collect()
    }

    #[test]
    fn each_mistake_is_undone_by_one_step_of_its_own() {
        for (receiver, sender, code) in [
            (&b"secret\n"[..], &b"secret"[..], "secret_whitespace"),
            ("\u{a0}secret".as_bytes(), b"secret", "secret_whitespace"),
            (b"\"secret\"", b"secret", "secret_quotes"),
            (b"'secret'", b"secret", "secret_quotes"),
            (b"\xef\xbb\xbfsecret", b"secret", "secret_byte_order_mark"),
            (b"\xff\xfes\0e\0", b"se", "secret_byte_order_mark"),
            (b"NAME=secret", b"secret", "secret_name"),
            (b"export NAME=secret", b"secret", "secret_name"),
            (br#"{"url":"u","signing_secret":"secret"}"#, b"secret", "secret_json"),
            (b"c2VjcmV0", b"secret", "secret_base64"),
            (b"736563726574", b"secret", "secret_hex"),
            (b"whsec_secret", b"secret", "secret_prefix"),
            ("sec\u{200b}ret".as_bytes(), b"secret", "secret_characters"),
            (b"secret\\n", b"secret", "secret_characters"),
            (b"sec%2Fret", b"sec/ret", "secret_characters"),
            (b"secret", b"secret\n", "secret_whitespace"),
            (b"secret", b"'secret'", "secret_quotes"),
            (b"secret", b"whsec_secret", "secret_prefix"),
            (b"secret", b"c2VjcmV0", "secret_base64"),
            (b"secret", b"736563726574", "secret_hex"),
        ] {
            let name = receiver.escape_ascii();
            assert_eq!(codes_that_find(receiver, sender).first(), Some(&code), "{name}");
        }
    }

    #[test]
    fn two_mistakes_are_undone_in_both_orders() {
        for (receiver, kinds) in [
            (&b"NAME=\"secret\""[..], [Kind::SecretName, Kind::SecretQuotes]),
            (b"\"secret\"\n", [Kind::SecretWhitespace, Kind::SecretQuotes]),
            (b"c2VjcmV0Cg==", [Kind::SecretBase64, Kind::SecretWhitespace]),
            (b"whsec_c2VjcmV0", [Kind::SecretPrefix, Kind::SecretBase64]),
        ] {
            let mut found = pairs(receiver).filter(|((text, _), _)| ***text == *b"secret");
            let ((_, second), first) = found.next().unwrap();
            assert_eq!([first.kind(), second.kind()], kinds, "{}", receiver.escape_ascii());
        }
    }
}
