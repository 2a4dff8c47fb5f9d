use std::{error::Error, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    body::BoxBody,
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
    },
};
use agentmail_receive::{Answer, Refusal, Rejection};

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

impl ResponseError for WebhookRejection {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let Answer { status: code, retry_after, problem, .. } = self.0.answer();
        let mut response = HttpResponse::new(status(code));
        response.extensions_mut().insert(self.refusal());
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        match problem {
            Some(problem) => {
                let content_type = HeaderValue::from_static(Answer::CONTENT_TYPE);
                response.headers_mut().insert(CONTENT_TYPE, content_type);
                response.set_body(BoxBody::new(problem))
            }
            None => response,
        }
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
