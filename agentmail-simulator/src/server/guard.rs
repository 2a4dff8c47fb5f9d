use std::{net::Ipv6Addr, sync::Arc};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS,
    },
    uri::Authority,
};

use crate::error::Problem;

/// The names that a request may call the simulator by, beside addresses and `localhost`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowed {
    pub(crate) hosts: Vec<String>,
}

/// Refuses what a page in a browser sends.
///
/// - A page on another origin: its `Origin` is not the origin of this API.
/// - DNS rebinding: the page's name leads to this address, so `Host` is that name. An address in
///   `Host` is always accepted, because a name is needed for rebinding.
pub(crate) async fn guard(
    State(allowed): State<Arc<Allowed>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match check(request.method(), request.headers(), &allowed) {
        Ok(()) => next.run(request).await,
        Err(detail) => Problem::new(StatusCode::FORBIDDEN, detail).into_response(),
    };
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn check(method: &Method, headers: &HeaderMap, allowed: &Allowed) -> Result<(), &'static str> {
    let host = only(headers, &HOST).ok_or("`Host` is missing, duplicated or not text")?;
    if !is_ours(host, allowed) {
        return Err("`Host` is another name than localhost or an address; see the option --host");
    }
    if headers.contains_key(ORIGIN) {
        let origin = only(headers, &ORIGIN).and_then(|origin| origin.split_once("://"));
        // A proxy with TLS may be in front, so the scheme is not compared.
        let same = origin.is_some_and(|(scheme, authority)| {
            matches!(scheme, "http" | "https") && authority.eq_ignore_ascii_case(host)
        });
        if !same {
            return Err("`Origin` is another origin");
        }
    }
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let follows_a_link = *method == Method::GET
        && headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    if matches!(site, Some(b"cross-site" | b"same-site")) && !follows_a_link {
        return Err("`Sec-Fetch-Site` names another site");
    }
    Ok(())
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn is_ours(host: &str, allowed: &Allowed) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    // The parser skips what is around the name, for example in `[::1].evil.example`.
    let port = host.strip_prefix(name).map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    if !port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
        return false;
    }
    let is_address = name.parse::<std::net::Ipv4Addr>().is_ok()
        || name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .is_some_and(|name| name.parse::<Ipv6Addr>().is_ok());
    is_address
        || name.eq_ignore_ascii_case("localhost")
        || allowed.hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: &Method, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let allowed = Allowed { hosts: vec!["simulator.test".to_owned()] };
        check(method, &headers, &allowed).is_ok()
    }

    #[test]
    fn only_addresses_and_known_names_are_hosts() {
        for (host, accepted) in [
            ("localhost", true),
            ("localhost:8025", true),
            ("LOCALHOST:8025", true),
            ("127.0.0.1:8025", true),
            ("[::1]:8025", true),
            ("192.168.1.2", true),
            ("simulator.test:8025", true),
            ("evil.example", false),
            ("evil.example:8025", false),
            ("127.0.0.1.evil.example", false),
            ("localhost.evil.example:8025", false),
            ("127.0.0.1@evil.example", false),
            ("evil.example@127.0.0.1", false),
            ("[::1].evil.example", false),
            ("", false),
        ] {
            assert_eq!(checked(&Method::GET, &[("host", host)]), accepted, "{host:?}");
        }
        assert!(!checked(&Method::GET, &[]), "no host");
        let mut twice = HeaderMap::new();
        twice.append(HOST, HeaderValue::from_static("localhost"));
        twice.append(HOST, HeaderValue::from_static("evil.example"));
        assert!(check(&Method::GET, &twice, &Allowed::default()).is_err(), "two hosts");
    }

    #[test]
    fn a_page_on_another_origin_is_refused() {
        let host = ("host", "127.0.0.1:8025");
        for (name, method, headers, accepted) in [
            ("the same origin", Method::POST, &[("origin", "http://127.0.0.1:8025")][..], true),
            ("another port", Method::POST, &[("origin", "http://127.0.0.1:3000")], false),
            ("another name", Method::POST, &[("origin", "http://localhost:8025")], false),
            ("another site", Method::GET, &[("origin", "https://evil.example")], false),
            ("a sandboxed frame", Method::POST, &[("origin", "null")], false),
            ("an image", Method::GET, &[("sec-fetch-site", "cross-site")], false),
            ("another port of this site", Method::GET, &[("sec-fetch-site", "same-site")], false),
            (
                "a link",
                Method::GET,
                &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                true,
            ),
            (
                "a form",
                Method::POST,
                &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                false,
            ),
            ("its own page", Method::POST, &[("sec-fetch-site", "same-origin")], true),
        ] {
            let headers: Vec<_> = [host].iter().chain(headers).copied().collect();

            assert_eq!(checked(&method, &headers), accepted, "{name}");
        }
    }
}
