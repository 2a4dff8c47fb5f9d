use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, Response, StatusCode},
};

use super::delivery::Arrived;
use crate::sender::{SendError, Sender};

/// Sends deliveries on to another receiver, with their bytes and headers unchanged.
#[derive(Debug)]
pub(super) struct Forward {
    pub(super) url: String,
    pub(super) sender: Sender,
    pub(super) verified_only: bool,
}

/// Headers that belong to one connection.
const OF_CONNECTION: [&str; 6] =
    ["connection", "content-length", "expect", "host", "keep-alive", "transfer-encoding"];
/// Headers of a response that are passed back.
const PASSED_BACK: [&str; 2] = ["content-type", "retry-after"];

impl Forward {
    pub(super) fn send(&self, arrived: &Arrived) -> Result<Response<Body>, SendError> {
        let mut request = axum::http::Request::builder().method("POST").uri(&self.url);
        for (name, value) in &arrived.headers {
            if !OF_CONNECTION.contains(&name.as_str()) {
                request = request.header(name, value);
            }
        }
        let request = request.body(&arrived.body[..]).map_err(SendError::request)?;
        let of_target = self.sender.run(request)?;
        let mut response = Response::new(Body::from(of_target.body));
        *response.status_mut() =
            StatusCode::from_u16(of_target.status).unwrap_or(StatusCode::BAD_GATEWAY);
        for (name, value) in &of_target.headers {
            let name = name.parse::<HeaderName>().ok();
            let name = name.filter(|name| PASSED_BACK.contains(&name.as_str()));
            if let (Some(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        Ok(response)
    }

    /// Says whether the target responds.
    pub(super) fn state(&self) -> String {
        match self.sender.exchange("GET", &self.url, &[], None) {
            Ok(response) => {
                format!("the target responds: {} to a GET of {}", response.status, self.url)
            }
            Err(error) => {
                format!("the target does not respond: {error}; until it does, senders get 502")
            }
        }
    }
}
