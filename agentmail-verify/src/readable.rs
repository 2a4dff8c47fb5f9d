use alloc::string::String;

/// Makes a copy of a JSON text in which everything can be read by `serde_json`. Returns `None` if
/// there is nothing to replace.
///
/// | legal JSON that `serde_json` refuses | in the copy |
/// | --- | --- |
/// | a lone surrogate escape, which JavaScript and Python write | `\ufffd` |
/// | a number that no `f64` can hold, such as `1e999` | `null` |
///
/// The copy has the same length, so that line and column stay right.
pub(crate) fn readable_copy(json: &str) -> Option<String> {
    let mut copy = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| matches!(c, '"' | '-' | '0'..='9')) {
        let (before, token) = rest.split_at(at);
        copy.push_str(before);
        rest = match token.strip_prefix('"') {
            Some(text) => {
                copy.push('"');
                push_text(text, &mut copy)
            }
            None => push_number(token, &mut copy),
        };
    }
    copy.push_str(rest);
    (copy != json).then_some(copy)
}

/// Copies the inside of a string and its closing quote. Returns what follows.
fn push_text<'a>(text: &'a str, copy: &mut String) -> &'a str {
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\\']) {
        let (before, special) = rest.split_at(at);
        copy.push_str(before);
        if let Some(after) = special.strip_prefix('"') {
            copy.push('"');
            return after;
        }
        let (escape, after) = split_escape(special);
        copy.push_str(if is_lone_surrogate(escape) { "\\ufffd" } else { escape });
        rest = after;
    }
    copy.push_str(rest);
    ""
}

/// Splits off one escape: two characters, `\uXXXX`, or a pair of surrogates.
fn split_escape(text: &str) -> (&str, &str) {
    let length = match unit(text) {
        Some(0xd800..=0xdbff) => match text.get(UNIT..).and_then(unit) {
            Some(0xdc00..=0xdfff) => PAIR,
            _ => UNIT,
        },
        Some(_) => UNIT,
        None => text.chars().take(2).map(char::len_utf8).sum(),
    };
    text.split_at(length)
}

/// The length of `\uXXXX`.
const UNIT: usize = 6;
/// The length of two of them.
const PAIR: usize = 12;

fn is_lone_surrogate(escape: &str) -> bool {
    escape.len() == UNIT && matches!(unit(escape), Some(0xd800..=0xdfff))
}

/// Returns the UTF-16 code unit of the `\uXXXX` at the start of a text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex { u16::from_str_radix(digits, 16).ok() } else { None }
}

/// Copies a number. Returns what follows.
fn push_number<'a>(token: &'a str, copy: &mut String) -> &'a str {
    let is_part = |c: char| matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
    let end = token.find(|c| !is_part(c)).unwrap_or(token.len());
    let (number, after) = token.split_at(end);
    if number.parse::<f64>().is_ok_and(f64::is_infinite) {
        copy.push_str("null");
        copy.extend(number.chars().skip("null".len()).map(|_| ' '));
    } else {
        copy.push_str(number);
    }
    after
}

#[cfg(test)]
mod tests {
    use std::{format, string::ToString, vec::Vec};

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn replaces_lone_surrogates_only() {
        for (json, copy) in [
            (r#""\ud83d""#, Some(r#""\ufffd""#)),
            (r#""\uDE00""#, Some(r#""\ufffd""#)),
            (r#""\ud83d\ude00""#, None),
            (r#""\ud83d\ud83d\ude00""#, Some(r#""\ufffd\ud83d\ude00""#)),
            (r#""\ud83d\u0041""#, Some(r#""\ufffd\u0041""#)),
            (r#""\ude00\ud83d""#, Some(r#""\ufffd\ufffd""#)),
            (r#""\\ud83d""#, None),
            (r#""\\\ud83d""#, Some(r#""\\\ufffd""#)),
            (r#""\"\ud83dx""#, Some(r#""\"\ufffdx""#)),
            (r#"{"\ud83d":"\u00e9é"}"#, Some(r#"{"\ufffd":"\u00e9é"}"#)),
            (r#""\ud8"#, None),
            (r#""\é"#, None),
            (r#""\"#, None),
            (r#""\u+123""#, None),
        ] {
            assert_eq!(readable_copy(json).as_deref(), copy, "{json}");
        }
    }

    #[test]
    fn replaces_numbers_that_no_type_can_hold_only() {
        let digits = "9".repeat(400);
        for (json, copy) in [
            ("1e999".to_string(), Some("null ".to_string())),
            ("[-1E+400,1]".into(), Some("[null   ,1]".into())),
            (digits.clone(), Some(format!("null{}", " ".repeat(396)))),
            ("1e308".into(), None),
            ("1e-999".into(), None),
            ("18446744073709551616".into(), None),
            (r#""1e999""#.into(), None),
            (r#"{"1e999":"\"1e999"}"#.into(), None),
            ("e999".into(), None),
        ] {
            assert_eq!(readable_copy(&json), copy, "{json}");
        }
    }

    proptest! {
        #[test]
        fn a_copy_has_the_same_length_and_leaves_readable_json_alone(
            pieces in prop::collection::vec(
                prop::sample::select(&[
                    "\"", "\\", "\\\\", "\\u", "\\ud83d", "\\ude00", "\\uDBFF", "\\u0041", "d83d",
                    "1e999", "-", "7", "e", ".", "{", "}", "[", "]", ",", ":", " ", "é", "null",
                ][..]),
                0..24,
            ),
        ) {
            let json: String = pieces.concat();

            if let Some(copy) = readable_copy(&json) {
                prop_assert_eq!(copy.len(), json.len());
                prop_assert_eq!(readable_copy(&copy), None);
                prop_assert!(serde_json::from_str::<Value>(&json).is_err());
            }
        }

        #[test]
        fn a_text_of_code_units_is_read_with_replacements(units: Vec<u16>) {
            let escapes: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let json = format!("\"{escapes}\"");

            let copy = readable_copy(&json);

            let text: String = serde_json::from_str(copy.as_ref().unwrap_or(&json)).unwrap();
            prop_assert_eq!(text, String::from_utf16_lossy(&units));
        }
    }
}
