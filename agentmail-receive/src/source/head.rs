use std::{any::Any, fmt};

use percent_encoding::percent_decode_str;

/// What a [`Lookup`](super::Lookup) sees of a request: its path, and the framework's own view of
/// it. Nothing in it is verified yet.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    path: &'a str,
    parts: &'a dyn Any,
}

impl<'a> RequestHead<'a> {
    /// Takes the path, still percent-encoded, and what the framework has of a request without its
    /// body. For adapters, and for tests of a lookup.
    pub fn new(path: &'a str, parts: &'a impl Any) -> Self {
        Self { path, parts }
    }

    /// Returns the path as it was sent, without the query.
    ///
    /// Inside axum's `Router::nest` it is what is left of the path there; actix-web has the whole
    /// path everywhere.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.path
    }

    /// Returns the one segment of the path that stands between these two texts, percent-decoded.
    ///
    /// Returns `None` if the path is of another form, or the segment, once decoded, is no plain name: it
    /// is empty, longer than 256 bytes, `.` or `..`, not UTF-8, or holds a slash, a backslash or a control
    /// character. It is a stranger's text all the same.
    ///
    /// ```
    /// use agentmail_receive::RequestHead;
    ///
    /// let agent = |path| RequestHead::new(path, &()).segment_between("/agents/", "/webhook");
    ///
    /// assert_eq!(agent("/agents/my-agent/webhook").as_deref(), Some("my-agent"));
    /// assert_eq!(agent("/agents/my%20agent/webhook").as_deref(), Some("my agent"));
    /// assert_eq!(agent("/agents/webhook"), None);
    /// assert_eq!(agent("/agents/a/b/webhook"), None);
    /// ```
    #[must_use]
    pub fn segment_between(&self, before: &str, after: &str) -> Option<String> {
        let segment = self.path.strip_prefix(before)?.strip_suffix(after)?;
        let name = percent_decode_str(segment).decode_utf8().ok()?;
        is_plain(&name).then(|| name.into_owned())
    }

    /// Returns the framework's own view: `http::request::Parts` in axum and tower,
    /// `actix_web::HttpRequest` in actix-web. `None` for any other type.
    #[must_use]
    pub fn parts<P: Any>(&self) -> Option<&'a P> {
        self.parts.downcast_ref()
    }
}

/// Shows nothing: a head holds what a stranger sent.
impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead").finish_non_exhaustive()
    }
}

fn is_plain(name: &str) -> bool {
    let is_odd = |c: char| matches!(c, '/' | '\\') || c.is_control();
    !matches!(name, "" | "." | "..") && name.len() <= 256 && !name.contains(is_odd)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let head = RequestHead::new(path, &());

            assert_eq!(head.segment_between("/agents/", "/webhook").as_deref(), segment, "{path}");
        }
    }

    #[test]
    fn a_segment_has_256_bytes_at_most() {
        for (len, fits) in [(256, true), (257, false)] {
            let path = format!("/agents/{}/webhook", "a".repeat(len));
            let head = RequestHead::new(&path, &());

            assert_eq!(head.segment_between("/agents/", "/webhook").is_some(), fits, "{len}");
        }
    }

    #[test]
    fn parts_are_of_the_type_that_the_adapter_gave() {
        let head = RequestHead::new("/", &7_u8);

        assert_eq!(head.parts::<u8>(), Some(&7));
        assert_eq!(head.parts::<u16>(), None);
    }
}
