/// Writes JSON again as JavaScript's `JSON.stringify` does: without spaces between tokens, and with
/// text outside ASCII as it is. A lone surrogate stays an escape.
pub(super) fn as_javascript(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    let mut in_string = false;
    while let Some(first) = rest.chars().next() {
        if let Some((escaped, length)) = in_string.then(|| escape(rest)).flatten() {
            match escaped {
                Some(character) => text.push(character),
                None => text.push_str(rest.get(..length).unwrap_or_default()),
            }
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        if first == '"' {
            in_string = !in_string;
        }
        if in_string || !first.is_ascii_whitespace() {
            text.push(first);
        }
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
    }
    text
}

/// Reads the escape at the start, and returns its length. The character is `None` if JavaScript
/// writes an escape too.
fn escape(text: &str) -> Option<(Option<char>, usize)> {
    text.strip_prefix('\\')?;
    let Some(first) = unit(text) else { return Some((None, 2)) };
    let second = text.get(6..).and_then(unit);
    if let Some(second) = second
        && let Some(Ok(character)) = char::decode_utf16([first, second]).next()
        && u32::from(character) > 0xffff
    {
        return Some((Some(character), 12));
    }
    let character = char::from_u32(u32::from(first)).filter(|character| *character > '\u{7e}');
    Some((character, 6))
}

/// Reads `\uXXXX`.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with node: `JSON.stringify(JSON.parse(…))`.
    #[test]
    fn writes_as_javascript_does() {
        for (json, expected) in [
            (r#"{"a": "b c", "d": [1, true]}"#, r#"{"a":"b c","d":[1,true]}"#),
            (r#"{"a": "\u00e9 \u20ac"}"#, r#"{"a":"é €"}"#),
            (r#"{"a": "\ud83d\ude00"}"#, r#"{"a":"😀"}"#),
            (r#"{"a": "\ud83d x"}"#, r#"{"a":"\ud83d x"}"#),
            (r#"{"a": "\"\\ \n \u0001: ,"}"#, r#"{"a":"\"\\ \n \u0001: ,"}"#),
        ] {
            assert_eq!(as_javascript(json), expected);
        }
    }
}
