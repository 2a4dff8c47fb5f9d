use std::fmt::Write;

/// A text as Python has it: code units of UTF-16, which may have lone surrogates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text(Vec<u16>);

impl Text {
    pub(crate) fn push_str(&mut self, text: &str) {
        self.0.extend(text.encode_utf16());
    }

    pub(crate) fn push_units(&mut self, units: impl IntoIterator<Item = u16>) {
        self.0.extend(units);
    }

    /// Returns the text with U+FFFD for each lone surrogate.
    pub(crate) fn to_string_lossy(&self) -> String {
        String::from_utf16_lossy(&self.0)
    }

    /// Writes the text as a string of JSON, as Python's `json.dumps` does: in ASCII.
    pub(crate) fn write_json(&self, json: &mut String) {
        write_json(self.0.iter().copied(), json);
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

pub(super) fn write_json(units: impl IntoIterator<Item = u16>, json: &mut String) {
    json.push('"');
    for unit in units {
        match u8::try_from(unit) {
            Ok(b'"') => json.push_str("\\\""),
            Ok(b'\\') => json.push_str("\\\\"),
            Ok(b'\n') => json.push_str("\\n"),
            Ok(b'\r') => json.push_str("\\r"),
            Ok(b'\t') => json.push_str("\\t"),
            Ok(0x08) => json.push_str("\\b"),
            Ok(0x0c) => json.push_str("\\f"),
            Ok(ascii @ b' '..=b'~') => json.push(char::from(ascii)),
            _ => write!(json, "\\u{unit:04x}").expect("writing to a String cannot fail"),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python's `json.dumps`.
    #[test]
    fn escapes_as_python_does() {
        for (text, expected) in [
            ("plain", r#""plain""#),
            ("\"\\/\n\r\t\u{8}\u{c}\u{1}\u{7f}", r#""\"\\/\n\r\t\b\f\u0001\u007f""#),
            ("é€😀", r#""\u00e9\u20ac\ud83d\ude00""#),
        ] {
            let mut json = String::new();
            Text::from(text).write_json(&mut json);

            assert_eq!(json, expected);
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
