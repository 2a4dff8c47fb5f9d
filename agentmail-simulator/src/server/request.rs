use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode, Uri,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
    request::Parts,
};
use http_body_util::BodyExt;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use crate::{error::Problem, settings::Settings};

/// A body of JSON, in a request or in a response.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// The query, as a type.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// The bytes of a body, and its media type.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: Option<String>,
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let json = HeaderValue::from_static("application/json");
                ([(CONTENT_TYPE, json)], body).into_response()
            }
            Err(_) => Problem::internal("the response cannot be written as JSON").into_response(),
        }
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let body = read_body(request, Settings::BODY_BYTES, None).await?;
        if body.media_type.as_deref() != Some("application/json") {
            let detail = "the body must have the content type application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        Self::read(&body.bytes)
    }
}

impl<T: DeserializeOwned> Json<T> {
    /// Reads JSON. An error names the field.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let path = error.path().to_string();
            let detail = error.into_inner().to_string();
            match path.as_str() {
                "." | "?" => Problem::bad_request(detail),
                path => Problem::field(path, format!("is wrong: {detail}")),
            }
        })?;
        deserializer.end().map_err(|error| Problem::bad_request(error.to_string()))?;
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned> Query<T> {
    pub(crate) fn read(uri: &Uri) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|error| Problem::bad_request(error.body_text()))
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::read(&parts.uri)
    }
}

/// Reads a body, up to a number of bytes, and with lines up to a number of bytes. What is longer is
/// refused before the rest is read.
pub(crate) async fn read_body(
    request: Request,
    limit: usize,
    line_limit: Option<usize>,
) -> Result<Body, Problem> {
    let (parts, body) = request.into_parts();
    let too_large = || {
        let detail = format!("the body is longer than {limit} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    if declared(&parts.headers).is_some_and(|declared| declared > limit) {
        return Err(too_large());
    }
    let collect = async {
        let (mut bytes, mut body, mut line) = (Vec::new(), body, 0_usize);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Problem::bad_request("the body ended early"))?;
            let Some(data) = frame.data_ref() else { continue };
            if bytes.len().saturating_add(data.len()) > limit {
                return Err(too_large());
            }
            if let Some(limit) = line_limit {
                check_lines(data, &mut line, limit)?;
            }
            bytes.extend_from_slice(data);
        }
        Ok(Bytes::from(bytes))
    };
    let bytes = timeout(Settings::BODY_TIME, collect).await.map_err(|_| {
        let detail = format!("the body was not complete within {:?}", Settings::BODY_TIME);
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    })??;
    Ok(Body { bytes, media_type: media_type(&parts.headers) })
}

/// `line` is the length of the line that the data continues.
fn check_lines(data: &[u8], line: &mut usize, limit: usize) -> Result<(), Problem> {
    let mut pieces = data.split(|&byte| byte == b'\n').peekable();
    while let Some(piece) = pieces.next() {
        *line = line.saturating_add(piece.len());
        if *line > limit {
            return Err(Problem::bad_request(format!("a line is longer than {limit} bytes")));
        }
        if pieces.peek().is_some() {
            *line = 0;
        }
    }
    Ok(())
}

fn declared(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Returns the media type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().unwrap_or("unreadable");
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_measured_across_frames() {
        for (name, frames, accepted) in [
            ("short lines", &[&b"ab\ncd\n"[..], b"ef\n"][..], true),
            ("at the limit", &[b"abcd\nabcd"], true),
            ("beyond the limit", &[b"abcde"], false),
            ("beyond it in two frames", &[b"a\nabc", b"de"], false),
            ("a line that ends in the next frame", &[b"abc", b"d\nabc"], true),
        ] {
            let mut line = 0;

            let result = frames.iter().try_for_each(|frame| check_lines(frame, &mut line, 4));

            assert_eq!(result.is_ok(), accepted, "{name}");
        }
    }
}
