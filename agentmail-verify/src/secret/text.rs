use core::ops::RangeInclusive;

use super::secret::SecretError;

/// Characters without a glyph: Unicode's `Default_Ignorable_Code_Point`, and those that only change
/// the layout of a line.
const INVISIBLE: [RangeInclusive<char>; 16] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Checks that a service can have shown this text as a secret.
pub(super) fn check(bytes: &[u8]) -> Result<(), SecretError> {
    if bytes.is_empty() {
        return Err(SecretError::Empty);
    }
    if is_utf_16(bytes) {
        return Err(SecretError::Utf16);
    }
    let text = str::from_utf8(bytes).map_err(|_| SecretError::NotUtf8)?;
    if text.starts_with('\u{feff}') {
        return Err(SecretError::ByteOrderMark);
    }
    if text.trim().len() != text.len() {
        return Err(SecretError::SurroundingWhitespace);
    }
    text.chars().try_for_each(check_character)
}

fn check_character(character: char) -> Result<(), SecretError> {
    if character.is_control() {
        Err(SecretError::ControlCharacter)
    } else if INVISIBLE.iter().any(|range| range.contains(&character)) {
        Err(SecretError::InvisibleCharacter)
    } else if character == char::REPLACEMENT_CHARACTER {
        Err(SecretError::ReplacementCharacter)
    } else {
        Ok(())
    }
}

/// Returns whether the text begins with a byte order mark of UTF-16, or every other byte is NUL.
fn is_utf_16(bytes: &[u8]) -> bool {
    let little_endian = || bytes.chunks(2).all(|unit| matches!(unit, [1..=u8::MAX, 0]));
    // A line end was removed from a file, and left the first byte of its unit.
    let big_endian = || bytes.chunks(2).all(|unit| matches!(unit, [0, 1..=u8::MAX] | [0]));
    let has_mark = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    has_mark || (bytes.len() > 1 && (little_endian() || big_endian()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_cannot_be_a_secret() {
        for (cause, texts) in [
            (SecretError::Empty, &[&b""[..]][..]),
            (
                SecretError::Utf16,
                &[
                    b"\xff\xfes\0e\0c\0\r\0\n\0",
                    b"\xfe\xff\0s\0e\0c",
                    b"\xff\xfe",
                    b"s\0e\0c\0",
                    b"\0s\0e\0c",
                    b"\0s\0e\0c\0\r\0",
                ],
            ),
            (
                SecretError::NotUtf8,
                &[b"secret\xff", b"\xe9t\xe9", b"se\xc3", b"\xed\xa0\xbd", b"\xff\n"],
            ),
            (
                SecretError::ByteOrderMark,
                &[b"\xef\xbb\xbfsecret", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"],
            ),
            (
                SecretError::ControlCharacter,
                &[
                    b"sec\0ret",
                    b"secret\0",
                    b"\0",
                    b"\0\0",
                    b"secret\nold",
                    b"sec\tret",
                    b"\x1b[0msecret",
                    b"secret\x7f",
                    "sec\u{9b}ret".as_bytes(),
                ],
            ),
            (
                SecretError::ReplacementCharacter,
                &["secret\u{fffd}".as_bytes(), "s\u{fffd}cret".as_bytes()],
            ),
        ] {
            for text in texts {
                assert_eq!(check(text), Err(cause), "{text:?}");
            }
        }
    }

    #[test]
    fn refuses_an_invisible_character_anywhere() {
        for character in [
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200e}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{feff}',
            '\u{fe0f}',
            '\u{e0061}',
        ] {
            for text in [std::format!("secret{character}"), std::format!("sec{character}ret")] {
                assert_eq!(
                    check(text.as_bytes()),
                    Err(SecretError::InvisibleCharacter),
                    "{text:?}"
                );
            }
        }
        let text = "\u{200b}secret";
        assert_eq!(check(text.as_bytes()), Err(SecretError::InvisibleCharacter));
    }

    #[test]
    fn accepts_text_that_a_service_may_have_shown() {
        for text in [
            "s",
            "whsec_c2VjcmV0",
            "two words",
            "\"quoted\"",
            "'quoted'",
            "WEBHOOK_SIGNING_SECRET=whsec_c2VjcmV0",
            r#"{"signing_secret":"whsec_c2VjcmV0"}"#,
            "Schlüssel",
            "sec\u{a0}ret",
            "密钥",
            "🔑",
        ] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text:?}");
        }
    }
}
