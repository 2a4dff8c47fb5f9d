use std::{error::Error, fmt};

use agentmail_receive::{Answer, Refusal, Rejection};
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

/// The answer to a request that is refused.
///
/// Its status is the [`Refusal`]'s, its body is empty, and the [`Refusal`] stands in the response's
/// extensions.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRejection(Rejection);

impl WebhookRejection {
    /// Returns why the request is refused.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.0.refusal()
    }

    /// Returns the status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        status(self.refusal().status())
    }

    /// Makes the answer with any type of body, for services without axum. It is logged as answered.
    #[must_use]
    pub fn into_http_response<B>(self) -> http::Response<B>
    where
        B: From<Bytes>,
    {
        let Answer { status: code, retry_after, problem, .. } = self.0.answer();
        let explains = problem.is_some();
        let mut response = http::Response::new(problem.unwrap_or_default().into());
        *response.status_mut() = status(code);
        response.extensions_mut().insert(self.refusal());
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if explains {
            let content_type = HeaderValue::from_static(Answer::CONTENT_TYPE);
            response.headers_mut().insert(CONTENT_TYPE, content_type);
        }
        response
    }
}

impl fmt::Display for WebhookRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for WebhookRejection {}

impl From<Rejection> for WebhookRejection {
    fn from(rejection: Rejection) -> Self {
        Self(rejection)
    }
}

impl From<Refusal> for WebhookRejection {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.into())
    }
}

impl IntoResponse for WebhookRejection {
    fn into_response(self) -> Response {
        self.into_http_response()
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
