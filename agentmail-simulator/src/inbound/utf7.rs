/// Decodes UTF-7 (RFC 2152) as Python does: a lone surrogate is kept. Bytes that are not ASCII are
/// U+FFFD.
pub(super) fn decode(bytes: &[u8]) -> Vec<u16> {
    let mut units = Vec::new();
    let mut rest = bytes.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' if rest.next_if_eq(&b'-').is_some() => units.push(u16::from(b'+')),
            b'+' => {
                let (mut bits, mut count) = (0_u32, 0_u32);
                while let Some(digit) = rest.peek().copied().and_then(base64_digit) {
                    rest.next();
                    bits = (bits << 6) | u32::from(digit);
                    count += 6;
                    if count >= 16 {
                        count -= 16;
                        let [.., high, low] = (bits >> count).to_be_bytes();
                        units.push(u16::from_be_bytes([high, low]));
                        bits &= (1 << count) - 1;
                    }
                }
                rest.next_if_eq(&b'-');
            }
            0..=0x7f => units.push(u16::from(byte)),
            _ => units.push(0xfffd),
        }
    }
    units
}

fn base64_digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python's `decode("utf-7")`.
    #[test]
    fn decodes_as_python_does() {
        for (bytes, expected) in [
            (&b"plain"[..], &[0x70, 0x6c, 0x61, 0x69, 0x6e][..]),
            (b"+2D0- x", &[0xd83d, 0x20, 0x78]),
            (b"+2D3eAA-", &[0xd83d, 0xde00]),
            (b"1 +- 1", &[0x31, 0x20, 0x2b, 0x20, 0x31]),
            (b"+AOk.", &[0xe9, 0x2e]),
        ] {
            assert_eq!(decode(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
