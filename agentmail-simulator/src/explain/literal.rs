//! Literals of Rust.

/// The longest piece of a text in one line of code, in bytes of the result.
const PIECE: usize = 80;

/// Writes a number with an underscore between each three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

/// Writes a literal of Rust, in several lines if it is long. Only printable ASCII is written as it
/// is, because the compiler refuses characters that change the direction of the text.
pub(super) fn literal(text: &str) -> String {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = piece(rest);
        let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        pieces.push(one_line(piece));
        rest = after;
    }
    match &pieces[..] {
        [] => "\"\"".to_owned(),
        [only] => only.clone(),
        pieces => {
            let lines = pieces.iter().map(|piece| format!("    {piece},\n"));
            format!("concat!(\n{})", lines.collect::<String>())
        }
    }
}

/// Returns the length of the next piece. It ends after a space, if there is one.
fn piece(text: &str) -> usize {
    let mut width = 0_usize;
    let mut last_space = None;
    for (index, character) in text.char_indices() {
        let end = index + character.len_utf8();
        width += character.escape_default().count();
        if width > PIECE {
            return last_space.unwrap_or(index).max(1);
        }
        if character == ' ' {
            last_space = Some(end);
        }
    }
    text.len()
}

fn one_line(text: &str) -> String {
    if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        if !text.contains(['"', '\\']) {
            return format!("\"{text}\"");
        }
        if !text.contains("\"#") {
            return format!("r#\"{text}\"#");
        }
    }
    format!("\"{}\"", text.escape_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_read_back_and_has_short_lines() {
        for text in [
            "",
            "plain",
            r#"a "quoted" \ text"#,
            "\"#",
            "\u{202e}é\n",
            &"wörd \"x\" ".repeat(30),
            &"x".repeat(500),
        ] {
            let literal = literal(text);

            assert!(literal.lines().all(|line| line.len() <= 100), "{literal}");
            assert!(literal.is_ascii(), "{literal}");
            let pieces = literal.lines().map(|line| line.trim().trim_end_matches(','));
            let pieces =
                pieces.filter(|line| !line.is_empty() && !matches!(*line, "concat!(" | ")"));
            let read: String = pieces.map(unquoted).collect();
            assert_eq!(read, text);
        }
    }

    fn unquoted(literal: &str) -> String {
        if let Some(raw) = literal.strip_prefix("r#\"") {
            return raw.strip_suffix("\"#").unwrap().to_owned();
        }
        let inner = literal.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        let mut text = String::new();
        let mut characters = inner.chars();
        while let Some(character) = characters.next() {
            let read = match character {
                '\\' => match characters.next().unwrap() {
                    'n' => '\n',
                    'u' => {
                        let digits: String =
                            characters.by_ref().skip(1).take_while(|&it| it != '}').collect();
                        char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap()
                    }
                    other => other,
                },
                other => other,
            };
            text.push(read);
        }
        text
    }

    #[test]
    fn numbers_have_groups_of_three_digits() {
        for (number, text) in
            [(1, "1"), (100, "100"), (1_000, "1_000"), (1_776_340_800, "1_776_340_800")]
        {
            assert_eq!(grouped(number), text);
        }
    }
}
