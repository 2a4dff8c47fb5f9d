use std::{any::Any, fmt};

/// Passes each header of a framework's request to a function, as name and value.
#[cfg(feature = "diagnose")]
pub type HeaderReader = fn(&dyn Any, &mut dyn FnMut(&str, &[u8]));

/// The head of a request: what a [`Lookup`](super::Lookup) and the log see of it.
///
/// Nothing in it is verified yet. Adapters create it.
#[derive(Clone, Copy)]
pub struct RequestHead<'a> {
    path: &'a str,
    parts: &'a dyn Any,
    content_encoding: bool,
    expect_continue: bool,
    #[cfg(feature = "diagnose")]
    header_reader: Option<HeaderReader>,
}

impl<'a> RequestHead<'a> {
    /// Creates a head from the path, still percent-encoded, and the framework's request without its
    /// body.
    pub fn new(path: &'a str, parts: &'a impl Any) -> Self {
        Self {
            path,
            parts,
            content_encoding: false,
            expect_continue: false,
            #[cfg(feature = "diagnose")]
            header_reader: None,
        }
    }

    /// Sets whether the request has a `Content-Encoding` header. If it has, the hint of a refusal
    /// may name that header.
    #[must_use]
    pub const fn with_content_encoding(self, present: bool) -> Self {
        Self { content_encoding: present, ..self }
    }

    /// Sets whether the request has the header `Expect: 100-continue`. A client with that header
    /// sends no body before the server reads, so
    /// [`Receive::poll_discard`](crate::Receive::poll_discard) reads nothing.
    #[must_use]
    pub const fn with_expect_continue(self, present: bool) -> Self {
        Self { expect_continue: present, ..self }
    }

    /// Sets a function that reads all headers of the request, which it gets as `&dyn Any`. Without
    /// it, a diagnosis sees only the headers of the webhook.
    #[cfg(feature = "diagnose")]
    #[must_use]
    pub const fn with_header_reader(self, read: HeaderReader) -> Self {
        Self { header_reader: Some(read), ..self }
    }

    /// Returns the path as it was sent, without the query.
    ///
    /// Inside axum's `Router::nest`, this is the rest of the path. actix-web has the whole path
    /// everywhere.
    #[must_use]
    pub const fn path(&self) -> &'a str {
        self.path
    }

    pub(crate) const fn has_content_encoding(&self) -> bool {
        self.content_encoding
    }

    pub(crate) const fn expects_continue(&self) -> bool {
        self.expect_continue
    }

    /// Passes each header to `take`. Returns `false` if the head has no reader.
    #[cfg(feature = "diagnose")]
    pub(crate) fn read_headers(&self, take: &mut dyn FnMut(&str, &[u8])) -> bool {
        let Some(read) = self.header_reader else { return false };
        read(self.parts, take);
        true
    }

    /// Returns the framework's own request, if it has the type `P`.
    #[must_use]
    pub fn parts<P: Any>(&self) -> Option<&'a P> {
        self.parts.downcast_ref()
    }
}

/// Shows nothing: a head holds what an unauthenticated client sent.
impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_the_type_that_the_adapter_gave() {
        let head = RequestHead::new("/", &7_u8);

        assert_eq!(head.parts::<u8>(), Some(&7));
        assert_eq!(head.parts::<u16>(), None);
    }
}
