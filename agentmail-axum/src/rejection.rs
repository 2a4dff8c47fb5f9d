use std::{error::Error, fmt};

use agentmail_receive::{Refusal, Rejection};
use axum_core::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};

/// The answer to a request that is refused.
///
/// Its status is the [`Refusal`]'s, its body is empty, and the [`Refusal`] stands in the response's
/// extensions.
#[derive(Debug, Clone, Copy)]
pub struct WebhookRejection(pub(crate) Rejection);

impl WebhookRejection {
    /// Returns why the request is refused.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.0.refusal()
    }

    /// Returns the status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        status(self.refusal())
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

impl IntoResponse for WebhookRejection {
    fn into_response(self) -> Response {
        into_response(self.0, |body| body.map_or_else(Body::empty, Body::from))
    }
}

/// Makes the answer, whatever its type of body.
pub(crate) fn into_response<B>(
    rejection: Rejection,
    into_body: impl FnOnce(Option<Bytes>) -> B,
) -> http::Response<B> {
    let problem = rejection.body();
    let explains = problem.is_some();
    let mut response = http::Response::new(into_body(problem));
    *response.status_mut() = status(rejection.refusal());
    response.extensions_mut().insert(rejection.refusal());
    if explains {
        let content_type = HeaderValue::from_static(Rejection::CONTENT_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

fn status(refusal: Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
