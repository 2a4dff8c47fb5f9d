//! The quotes `$'…'` of bash, which browsers write and which shlex does not know.

/// Replaces each `$'…'` by a text in plain single quotes. Returns `None` if a quote has no end.
pub(super) fn unquote(command: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(command.len());
    let mut rest = command;
    let mut quote = None;
    while let Some((byte, after)) = rest.split_first() {
        match (quote, byte) {
            (None, b'$') if after.first() == Some(&b'\'') => {
                let (text, end) = text(after.get(1..)?)?;
                plain.push(b'\'');
                for byte in text {
                    match byte {
                        b'\'' => plain.extend_from_slice(b"'\\''"),
                        other => plain.push(other),
                    }
                }
                plain.push(b'\'');
                rest = end;
                continue;
            }
            (None | Some(b'"'), b'\\') => {
                plain.push(*byte);
                let (next, end) = after.split_first()?;
                plain.push(*next);
                rest = end;
                continue;
            }
            (None, b'\'' | b'"') => quote = Some(*byte),
            (Some(open), close) if open == *close => quote = None,
            _ => {}
        }
        plain.push(*byte);
        rest = after;
    }
    Some(plain)
}

/// Reads a text up to its quote, and returns what follows.
fn text(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut text = Vec::new();
    loop {
        let (byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            b'\'' => return Some((text, rest)),
            b'\\' => rest = escape(rest, &mut text)?,
            other => text.push(*other),
        }
    }
}

/// Reads an escape after its backslash.
fn escape<'a>(rest: &'a [u8], text: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (kind, after) = rest.split_first()?;
    let byte = match kind {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'a' => 7,
        b'b' => 8,
        b'e' | b'E' => 0x1b,
        b'f' => 12,
        b'v' => 11,
        b'0'..=b'7' => {
            let (number, end) = digits(rest, 8, 3);
            text.push(u8::try_from(number & 0xff).ok()?);
            return Some(end);
        }
        b'x' => {
            let (number, end) = digits(after, 16, 2);
            text.push(u8::try_from(number).ok()?);
            return Some(end);
        }
        b'u' | b'U' => {
            let (number, end) = digits(after, 16, if *kind == b'u' { 4 } else { 8 });
            let character = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(end);
        }
        other => *other,
    };
    text.push(byte);
    Some(after)
}

/// Reads at most this many digits.
fn digits(text: &[u8], radix: u32, most: usize) -> (u32, &[u8]) {
    let (mut number, mut rest) = (0_u32, text);
    for _ in 0..most {
        let Some((byte, after)) = rest.split_first() else { break };
        let Some(digit) = char::from(*byte).to_digit(radix) else { break };
        number = number.saturating_mul(radix).saturating_add(digit);
        rest = after;
    }
    (number, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_escapes_of_bash_outside_of_other_quotes() {
        for (command, plain) in [
            (r"a $'b\nc' d", "a 'b\nc' d"),
            (r"$'it\'s'", r"'it'\''s'"),
            (r"$'\u00e9\x41\101\\'", r"'éAA\'"),
            (r#""$'no'" '$' \$'x'"#, r#""$'no'" '$' \$'x'"#),
            (r"'a'$'\t'", "'a''\t'"),
        ] {
            let found = unquote(command.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(found).unwrap(), plain, "{command}");
        }
        assert_eq!(unquote(b"$'open"), None);
    }
}
