use axum::{
    body::Bytes,
    http::{HeaderMap, Method, Uri},
};

use crate::cli::{capture::Capture, explain::ParsedRequest};

/// A delivery as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub(super) received_at: u64,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Arrived {
    pub(super) fn to_request(&self) -> ParsedRequest {
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        let mut request = ParsedRequest::new(headers.collect(), self.body.to_vec());
        request.received_at = Some(self.received_at);
        request
    }

    pub(super) fn to_capture(&self) -> Capture {
        let latin_1 = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect();
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_string(), latin_1(value.as_bytes())));
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        Capture::new(self.received_at, self.method.as_str(), path, headers.collect(), &self.body)
    }
}
