use axum::response::{IntoResponse, Response};
use http::{
    HeaderValue,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
};

/// What the page may do: run its own script and style, and call the API. No text of a mail can
/// become HTML, because the browser refuses to parse a string.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The paths of the page's files.
pub(crate) const PATHS: [&str; 3] = ["/", "/page.css", "/page.js"];

/// Returns a file of the page.
pub(crate) fn asset(path: &str) -> Response {
    let (media_type, text) = match path {
        "/page.css" => ("text/css; charset=utf-8", include_str!("page.css")),
        "/page.js" => ("text/javascript; charset=utf-8", include_str!("page.js")),
        _ => ("text/html; charset=utf-8", include_str!("page.html")),
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    ];
    (headers, text).into_response()
}
