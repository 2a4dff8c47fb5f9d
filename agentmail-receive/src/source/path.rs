use percent_encoding::percent_decode_str;

/// Returns the one segment of a path between two texts, percent-decoded: a key for a
/// [`Lookup`](crate::Lookup).
///
/// Returns `None` if the path has another form, or if the decoded segment is not a plain name. A
/// plain name is UTF-8, has 1 to 256 bytes, is neither `.` nor `..`, and has no slash, backslash or
/// control character. It is still the text of an unauthenticated client.
///
/// ```
/// # use agentmail_receive::path_segment;
/// let agent = |path| path_segment(path, "/agents/", "/webhook");
///
/// assert_eq!(agent("/agents/my-agent/webhook").as_deref(), Some("my-agent"));
/// assert_eq!(agent("/agents/my%20agent/webhook").as_deref(), Some("my agent"));
/// assert_eq!(agent("/agents/webhook"), None);
/// assert_eq!(agent("/agents/a/b/webhook"), None);
/// ```
#[must_use]
pub fn path_segment(path: &str, before: &str, after: &str) -> Option<String> {
    let segment = path.strip_prefix(before)?.strip_suffix(after)?;
    let name = percent_decode_str(segment).decode_utf8().ok()?;
    is_plain(&name).then(|| name.into_owned())
}

fn is_plain(name: &str) -> bool {
    let is_odd = |c: char| matches!(c, '/' | '\\') || c.is_control();
    !matches!(name, "" | "." | "..") && name.len() <= 256 && !name.contains(is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(path: &str) -> Option<String> {
        path_segment(path, "/agents/", "/webhook")
    }

    #[test]
    fn a_segment_is_one_whole_segment() {
        for (path, segment) in [
            ("/agents/a/webhook", Some("a")),
            ("/agents/%C3%A9/webhook", Some("é")),
            ("/agents/a.b%3A1/webhook", Some("a.b:1")),
            ("/agents/..%2F..%2Fadmin/webhook", None),
            ("/agents/a%5Cb/webhook", None),
            ("/agents/%2e%2e/webhook", None),
            ("/agents/./webhook", None),
            ("/agents/a%00/webhook", None),
            ("/agents/a%0a/webhook", None),
            ("/agents/a%zz/webhook", Some("a%zz")),
            ("/agents//webhook", None),
            ("/agents/webhook", None),
            ("/agents/a/b/webhook", None),
            ("/agents/a/webhook/", None),
            ("/x/agents/a/webhook", None),
            ("/agents/%ff/webhook", None),
            ("", None),
        ] {
            assert_eq!(agent(path).as_deref(), segment, "{path}");
        }
    }

    #[test]
    fn a_segment_has_256_bytes_at_most() {
        for (len, fits) in [(256, true), (257, false)] {
            let path = format!("/agents/{}/webhook", "a".repeat(len));

            assert_eq!(agent(&path).is_some(), fits, "{len}");
        }
    }
}
