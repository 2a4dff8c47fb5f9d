use std::fmt::Write;

use crate::record::Attempt;

/// The longest argument of a command, in bytes. Linux allows 128 KiB.
const ARGUMENT: usize = 100 * 1024;

/// Returns a command that sends the request again, byte for byte.
pub(super) fn curl(attempt: &Attempt, body: &str) -> String {
    let Some(exchange) = attempt.exchanges.first() else { return String::new() };
    let request = &exchange.request;
    let mut command = String::new();
    // What makes a body this long are spaces at its end.
    let short = if body.len() > ARGUMENT { body.trim_end_matches(' ') } else { body };
    let spaces = body.len().saturating_sub(short.len());
    if spaces > 0 {
        // Writing to a String cannot fail.
        _ = write!(command, "printf '%s%*s' {} {spaces} '' |\n  ", quote(short));
    }
    _ = write!(command, "curl --globoff -i {}", quote(&request.url));
    for header in &request.headers {
        _ = write!(command, " \\\n  -H {}", quote(&format!("{}: {}", header.name, header.value)));
    }
    let data = if spaces > 0 { "@-".to_owned() } else { quote(short) };
    _ = write!(command, " \\\n  --data-binary {data}");
    command
}

/// Quotes a text for bash and zsh. The result has printable ASCII only, so that what is pasted is
/// what is read.
fn quote(text: &str) -> String {
    // curl reads a file if the data begins with this character.
    let is_plain = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if text.bytes().all(is_plain) && !text.starts_with('@') {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let mut quoted = "$'".to_owned();
    for byte in text.bytes() {
        match byte {
            b'\'' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            byte if is_plain(byte) => quoted.push(char::from(byte)),
            byte => _ = write!(quoted, "\\x{byte:02x}"),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        deliver::Content,
        explain::case::tests::{PAYLOAD, case},
        fault::Fault,
    };

    #[test]
    fn a_command_has_the_headers_and_the_body() {
        let case = case(None, 200);

        let command = curl(&case.attempt, PAYLOAD);

        assert!(command.starts_with("curl --globoff -i 'http://127.0.0.1:8080/agentmail/webhook'"));
        assert!(command.contains("-H 'x-agentmail-timestamp: 1776340800'"), "{command}");
        assert!(command.contains(r"It'\''s"), "{command}");
    }

    #[test]
    fn a_long_body_is_not_an_argument() {
        let case = case(Some(Fault::Oversized), 413);
        let content = Content::of(PAYLOAD, Some(Fault::Oversized));

        let command = curl(&case.attempt, &content.sent);

        assert!(command.len() < 4_000, "{} bytes", command.len());
        let spaces = content.sent.len() - PAYLOAD.len();
        assert!(command.contains(&format!(" {spaces} '' |")), "{command}");
    }

    /// bash prints each text again, byte for byte.
    #[test]
    fn a_quoted_text_is_one_word_of_printable_characters() {
        for text in [
            "plain",
            "it's",
            r"a\'b",
            "é\u{202e}x",
            "a\nb\0".trim_end_matches('\0'),
            "@file",
            "$(id) `id`",
        ] {
            let quoted = quote(text);

            assert!(quoted.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{quoted}");
            let command = format!("printf %s {quoted}");
            let output = std::process::Command::new("bash").args(["-c", &command]).output();
            assert_eq!(String::from_utf8(output.unwrap().stdout).unwrap(), text, "{quoted}");
        }
    }
}
