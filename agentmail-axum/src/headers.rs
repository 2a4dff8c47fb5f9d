use agentmail_receive::RequestHead;
use agentmail_verify::WebhookHeader;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT},
    request::Parts,
};
use http_body::Body;

static TIMESTAMP: HeaderName = HeaderName::from_static(WebhookHeader::Timestamp.name());
static SIGNATURE: HeaderName = HeaderName::from_static(WebhookHeader::Signature.name());
static UNSIGNED: HeaderName = HeaderName::from_static(WebhookHeader::Unsigned.name());

/// Returns what the checks and the log need of a request besides the values of its headers.
pub(crate) fn head(parts: &Parts) -> RequestHead<'_> {
    let has = |name: HeaderName, is: fn(&[u8]) -> bool| {
        parts.headers.get(name).is_some_and(|value| is(value.as_bytes()))
    };
    let head = RequestHead::new(parts.uri.path(), parts);
    #[cfg(feature = "diagnose")]
    let head = head.with_header_reader(read_all);
    head.with_content_encoding(has(CONTENT_ENCODING, |coding| coding != b"identity"))
        .with_expect_continue(has(EXPECT, |value| value.eq_ignore_ascii_case(b"100-continue")))
}

/// Passes each header to `take`.
#[cfg(feature = "diagnose")]
fn read_all(parts: &dyn std::any::Any, take: &mut dyn FnMut(&str, &[u8])) {
    let headers = parts.downcast_ref::<Parts>().map(|parts| &parts.headers);
    for (name, value) in headers.into_iter().flatten() {
        take(name.as_str(), value.as_bytes());
    }
}

/// Returns every value of a header.
///
/// It compares each header of the request with the name. For up to about 24 headers, that is faster
/// than a lookup, because `http` hashes the name byte by byte.
pub(crate) fn values(headers: &HeaderMap, header: WebhookHeader) -> impl Iterator<Item = &[u8]> {
    let name = match header {
        WebhookHeader::Timestamp => &TIMESTAMP,
        WebhookHeader::Signature => &SIGNATURE,
        WebhookHeader::Unsigned => &UNSIGNED,
    };
    let named = move |(other, _): &(&HeaderName, &HeaderValue)| *other == name;
    headers.iter().filter(named).map(|(_, value)| value.as_bytes())
}

/// Returns the length that a request declares: the larger of its header and of the size hint of its
/// body.
pub(crate) fn declared_length(headers: &HeaderMap, body: &impl Body) -> Option<u64> {
    let header = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    header.max(Some(body.size_hint().lower()))
}
