//! Texts from outside, as an operator reads them.

/// The longest reason, in bytes.
const REASON: usize = 1_000;
/// The longest id, in bytes.
const ID: usize = 256;

/// Returns a text that every database stores, and that a terminal can show: control characters are
/// escaped, and it is at most 1,000 bytes long.
pub(crate) fn reason(text: &str) -> String {
    shown(text, REASON)
}

/// The same for an id of a message: at most 256 bytes.
pub(crate) fn id(text: &str) -> String {
    shown(text, ID)
}

fn shown(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        let escaped = character.is_control().then(|| character.escape_default().to_string());
        let more = escaped.unwrap_or_else(|| character.to_string());
        if shown.len().saturating_add(more.len()) > limit.saturating_sub("…".len()) {
            shown.push('…');
            break;
        }
        shown.push_str(&more);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_on_one_line_and_within_its_limit() {
        for (name, text, expected) in [
            ("plain", "msg-abc123", "msg-abc123".to_owned()),
            ("NUL and a line", "a\0b\nc", r"a\u{0}b\nc".to_owned()),
            ("quotes stay", r#"a "b" \c"#, r#"a "b" \c"#.to_owned()),
            ("a replaced surrogate", "a\u{fffd}", "a\u{fffd}".to_owned()),
            ("too long", &"é".repeat(5_000), format!("{}…", "é".repeat(126))),
        ] {
            assert_eq!(id(text), expected, "{name}");
            assert!(id(text).len() <= ID && reason(&text.repeat(2)).len() <= REASON, "{name}");
        }
    }
}
