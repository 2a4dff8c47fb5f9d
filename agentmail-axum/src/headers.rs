use agentmail_verify::Header;
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_LENGTH};
use http_body::Body;

static TIMESTAMP: HeaderName = HeaderName::from_static(Header::Timestamp.name());
static SIGNATURE: HeaderName = HeaderName::from_static(Header::Signature.name());
static UNSIGNED: HeaderName = HeaderName::from_static(Header::Unsigned.name());

/// Returns the value of every line of a header.
///
/// It looks at each line of the request: up to some two dozen of them, that is quicker than to hash
/// the name, which `http` does byte by byte.
pub(crate) fn lines(headers: &HeaderMap, header: Header) -> impl Iterator<Item = &[u8]> {
    let name = match header {
        Header::Timestamp => &TIMESTAMP,
        Header::Signature => &SIGNATURE,
        Header::Unsigned => &UNSIGNED,
    };
    let named = move |(line, _): &(&HeaderName, &HeaderValue)| *line == name;
    headers.iter().filter(named).map(|(_, value)| value.as_bytes())
}

/// Returns the length that a request promises: the larger of what its header says and what its body
/// knows of itself.
pub(crate) fn declared_length(headers: &HeaderMap, body: &impl Body) -> Option<u64> {
    let header = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    header.max(Some(body.size_hint().lower()))
}
