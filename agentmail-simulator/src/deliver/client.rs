use std::{error::Error, sync::OnceLock, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Legacy, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::{Instant, timeout_at};

use crate::{
    deliver::{body::RequestBody, prepare::Manner},
    record::{Exchange, Header, Purpose, Request as SentRequest, Response},
    state::Sent,
};

/// How much of a request's body is kept, and of a response's.
const KEPT_REQUEST: usize = 16 * 1024;
const KEPT_RESPONSE: usize = 4 * 1024;
/// How much of a response is read. More closes the connection.
const READ_RESPONSE: usize = 64 * 1024;
/// After which time the fault `connection_cut` closes the connection.
const CUT_AFTER: Duration = Duration::from_millis(50);

/// Sends requests over HTTP/1.1. It follows no redirect, and uses no proxy.
#[derive(Debug)]
pub(super) struct Client {
    plain: Legacy<HttpConnector, RequestBody>,
    /// Reads the system's certificates at the first use.
    tls: OnceLock<Result<Legacy<HttpsConnector<HttpConnector>, RequestBody>, String>>,
}

impl Client {
    pub(super) fn new() -> Self {
        let plain = builder().build(connector());
        Self { plain, tls: OnceLock::new() }
    }

    /// Sends a request, and reads the response. `patience` is for all of it.
    pub(super) async fn exchange(
        &self,
        url: &str,
        purpose: Purpose,
        sent: &Sent,
        manner: Manner,
        patience: Duration,
    ) -> Exchange {
        let mut exchange =
            Exchange { purpose, request: describe(url, sent), response: None, error: None };
        let body = match manner {
            Manner::Whole => RequestBody::whole(sent.body.clone()),
            Manner::Stalled => RequestBody::half(&sent.body, patience),
            Manner::Cut => RequestBody::half(&sent.body, CUT_AFTER),
        };
        let request = match request(url, sent, body) {
            Ok(request) => request,
            Err(error) => {
                exchange.error = Some(format!("the request cannot be built: {error}"));
                return exchange;
            }
        };
        let deadline = Instant::now() + patience;
        let timed_out = || format!("there was no complete response within {patience:?}");
        let response = match timeout_at(deadline, self.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                exchange.error = Some(error);
                return exchange;
            }
            Err(_) => {
                exchange.error = Some(timed_out());
                return exchange;
            }
        };
        let (head, mut body) = response.into_parts();
        let mut kept = Vec::new();
        let read = timeout_at(deadline, read(&mut body, &mut kept)).await;
        exchange.error = match read {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("the response is not complete: {}", chain(&error))),
            Err(_) => Some(timed_out()),
        };
        let text = kept.get(..KEPT_RESPONSE.min(kept.len())).unwrap_or_default();
        exchange.response = Some(Response {
            status: head.status.as_u16(),
            headers: list(&head.headers),
            body: String::from_utf8_lossy(text).into_owned(),
            truncated: text.len() < kept.len(),
        });
        exchange
    }

    async fn send(
        &self,
        request: Request<RequestBody>,
    ) -> Result<http::Response<Incoming>, String> {
        let sent = if request.uri().scheme_str() == Some("https") {
            let tls = self.tls.get_or_init(|| {
                let connector = HttpsConnectorBuilder::new()
                    .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
                    .map_err(|error| format!("the system has no certificates: {error}"))?
                    .https_only()
                    .enable_http1()
                    .wrap_connector(connector());
                Ok(builder().build(connector))
            });
            tls.as_ref().map_err(Clone::clone)?.request(request).await
        } else {
            self.plain.request(request).await
        };
        sent.map_err(|error| chain(&error))
    }
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Legacy::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(20))
        .pool_max_idle_per_host(16)
        .http1_max_headers(100)
        .http1_max_buf_size(64 * 1024);
    builder
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.enforce_http(false);
    connector
}

fn request(url: &str, sent: &Sent, body: RequestBody) -> Result<Request<RequestBody>, http::Error> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(header::CONTENT_LENGTH, sent.body.len());
    for header in &sent.headers {
        request = request.header(&header.name, &header.value);
    }
    request.body(body)
}

fn describe(url: &str, sent: &Sent) -> SentRequest {
    let kept = sent.body.get(..KEPT_REQUEST.min(sent.body.len())).unwrap_or_default();
    SentRequest {
        url: url.to_owned(),
        headers: sent.headers.clone(),
        body: String::from_utf8_lossy(kept).into_owned(),
        body_bytes: u64::try_from(sent.body.len()).unwrap_or(u64::MAX),
    }
}

/// Reads the start of a body into `kept`. What follows is not read.
async fn read(body: &mut Incoming, kept: &mut Vec<u8>) -> Result<(), hyper::Error> {
    while kept.len() < READ_RESPONSE
        && let Some(frame) = body.frame().await
    {
        if let Some(data) = frame?.data_ref() {
            let data: &Bytes = data;
            kept.extend_from_slice(data);
        }
    }
    Ok(())
}

fn list(headers: &HeaderMap) -> Vec<Header> {
    let header = |(name, value): (&header::HeaderName, &header::HeaderValue)| Header {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    headers.iter().map(header).collect()
}

/// Returns an error's text with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
