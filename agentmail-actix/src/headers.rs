use actix_web::http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use agentmail_verify::Header;

static TIMESTAMP: HeaderName = HeaderName::from_static(Header::Timestamp.name());
static SIGNATURE: HeaderName = HeaderName::from_static(Header::Signature.name());
static UNSIGNED: HeaderName = HeaderName::from_static(Header::Unsigned.name());

/// Returns the value of every line of a header.
pub(crate) fn lines(headers: &HeaderMap, header: Header) -> impl Iterator<Item = &[u8]> {
    let name = match header {
        Header::Timestamp => &TIMESTAMP,
        Header::Signature => &SIGNATURE,
        Header::Unsigned => &UNSIGNED,
    };
    headers.get_all(name).map(HeaderValue::as_bytes)
}

/// Returns the length that a request promises.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(&CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
