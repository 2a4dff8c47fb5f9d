use actix_web::{
    HttpRequest,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue},
};
use agentmail_receive::RequestHead;
use agentmail_verify::WebhookHeader;

static TIMESTAMP: HeaderName = HeaderName::from_static(WebhookHeader::Timestamp.name());
static SIGNATURE: HeaderName = HeaderName::from_static(WebhookHeader::Signature.name());
static UNSIGNED: HeaderName = HeaderName::from_static(WebhookHeader::Unsigned.name());

/// Returns what the checks and the log need of a request besides the values of its headers.
pub(crate) fn head(request: &HttpRequest) -> RequestHead<'_> {
    let coding = request.headers().get(CONTENT_ENCODING);
    let head = RequestHead::new(request.path(), request);
    #[cfg(feature = "diagnose")]
    let head = head.with_header_reader(read_all);
    head.with_content_encoding(coding.is_some_and(|coding| coding.as_bytes() != b"identity"))
}

/// Passes each header to `take`.
#[cfg(feature = "diagnose")]
fn read_all(request: &dyn std::any::Any, take: &mut dyn FnMut(&str, &[u8])) {
    let headers = request.downcast_ref::<HttpRequest>().map(HttpRequest::headers);
    for (name, value) in headers.into_iter().flatten() {
        take(name.as_str(), value.as_bytes());
    }
}

/// Returns every value of a header.
pub(crate) fn values(headers: &HeaderMap, header: WebhookHeader) -> impl Iterator<Item = &[u8]> {
    let name = match header {
        WebhookHeader::Timestamp => &TIMESTAMP,
        WebhookHeader::Signature => &SIGNATURE,
        WebhookHeader::Unsigned => &UNSIGNED,
    };
    headers.get_all(name).map(HeaderValue::as_bytes)
}

/// Returns the length that a request declares.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(&CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
