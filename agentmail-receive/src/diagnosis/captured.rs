use std::fmt;

use agentmail_verify::{UnixTime, WebhookHeader};
use bytes::Bytes;

/// A request to diagnose: its headers, its body as it arrived, and when it arrived.
///
/// `Debug` shows sizes, and no content.
#[derive(Clone)]
#[must_use]
pub struct CapturedRequest {
    headers: Vec<(Box<str>, Bytes)>,
    body: Option<Bytes>,
    declared_length: Option<u64>,
    received_at: Option<UnixTime>,
}

impl CapturedRequest {
    /// The largest number of headers that are kept.
    const MAX_HEADERS: usize = 128;
    /// The longest header value that is kept, in bytes. A longer one is cut.
    const MAX_VALUE: usize = 4_096;

    /// Creates a request from names and values of headers. At most 128 headers are kept, and at
    /// most 4,096 bytes of each value.
    pub fn new<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let headers = headers.into_iter().take(Self::MAX_HEADERS).map(|(name, value)| {
            let value = value.get(..Self::MAX_VALUE).unwrap_or(value);
            (name.to_ascii_lowercase().into(), Bytes::copy_from_slice(value))
        });
        Self { headers: headers.collect(), body: None, declared_length: None, received_at: None }
    }

    /// Sets when the request arrived, by the receiver's clock. Without it, its age is not judged.
    pub fn with_received_at(self, at: UnixTime) -> Self {
        Self { received_at: Some(at), ..self }
    }

    /// Sets the body, exactly as it arrived. Without it, only the headers are diagnosed.
    pub fn with_body(self, body: impl Into<Bytes>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// Sets the length that the request declared, in bytes. By default, it is the value of
    /// `Content-Length`.
    pub fn with_declared_length(self, bytes: Option<u64>) -> Self {
        Self { declared_length: bytes, ..self }
    }

    pub(super) const fn body(&self) -> Option<&Bytes> {
        self.body.as_ref()
    }

    pub(super) const fn received_at(&self) -> Option<UnixTime> {
        self.received_at
    }

    /// Returns every value of a header. The name is in lower case.
    pub(super) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let named = self.headers.iter().filter(move |(other, _)| **other == *name);
        named.map(|(_, value)| &**value)
    }

    pub(super) fn webhook_values(&self, header: WebhookHeader) -> impl Iterator<Item = &[u8]> {
        self.values(header.name())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| &**name)
    }

    pub(super) fn declared_length(&self) -> Option<u64> {
        let in_header = || str::from_utf8(self.values("content-length").next()?).ok()?.parse().ok();
        self.declared_length.or_else(in_header)
    }
}

impl fmt::Debug for CapturedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CapturedRequest")
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .finish_non_exhaustive()
    }
}
