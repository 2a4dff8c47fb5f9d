use core::fmt;

/// The name of a field in a Rust type, as an error message of serde quotes it.
///
/// Names of this form only, so that no text of the body is taken for one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FieldName {
    bytes: [u8; Self::MAX_LEN],
    len: usize,
}

impl FieldName {
    const MAX_LEN: usize = 40;

    /// Returns the name in a message such as "missing field `name` at line 1", if the message
    /// begins with `before`.
    pub(crate) fn after(before: &str, message: &str) -> Option<Self> {
        let (name, _) = message.strip_prefix(before)?.strip_prefix(" `")?.split_once('`')?;
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if name.is_empty() || !name.bytes().all(is_part) {
            return None;
        }
        let mut bytes = [0; Self::MAX_LEN];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(Self { bytes, len: name.len() })
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.bytes.get(..self.len).and_then(|name| str::from_utf8(name).ok());
        f.write_str(name.expect("a field's name is ASCII, and at most `MAX_LEN` bytes long"))
    }
}

impl fmt::Debug for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_name_is_read_from_messages_of_serde_only() {
        let name = |message| {
            let name = FieldName::after("missing field", message);
            name.map(|name| {
                assert_eq!(std::format!("{name:?}"), name.to_string());
                name.to_string()
            })
        };

        assert_eq!(
            name("missing field `order_id` at line 1 column 2").as_deref(),
            Some("order_id")
        );
        assert_eq!(name("missing field `a private text`"), None);
        assert_eq!(name("missing field ``"), None);
        assert_eq!(name("duplicate field `a`"), None);
        assert_eq!(name(&std::format!("missing field `{}`", "x".repeat(41))), None);
    }
}
