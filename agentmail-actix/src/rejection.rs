use std::{error::Error, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    body::BoxBody,
    http::{
        StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use agentmail_receive::{Refusal, Rejection};

/// The response to a refused request.
///
/// The status depends on the [`Refusal`], and the body is empty. The extensions of the response
/// contain the [`Refusal`].
/// [`WebhookConfig::with_refusal_response`](crate::WebhookConfig::with_refusal_response) changes
/// the response on every route of a configuration.
///
/// # In an error type of your own
///
/// | where the delivery is refused | how to change the response |
/// | --- | --- |
/// | in a middleware, so that no handler runs | [`with_refusal_response`](crate::WebhookConfig::with_refusal_response) |
/// | in an extractor: `Result<Webhook<T>, WebhookRejection>`, also with `Verified<T>` | your error type, as below |
/// | in a handler: `delivery.json()?`, `delivery.refuse(…)` | your error type, as below |
///
/// The refusal is logged before your code gets the rejection, so your error type need not log it.
/// Create the response from the rejection, as below. Its extensions then contain the [`Refusal`].
///
/// ```
/// use actix_web::{HttpResponse, ResponseError, http::StatusCode};
/// use agentmail_actix::{Event, Webhook, WebhookRejection};
///
/// #[derive(Debug, thiserror::Error)]
/// enum AppError {
///     #[error(transparent)]
///     Webhook(#[from] WebhookRejection),
///     #[error("the database is down")]
///     Database,
/// }
///
/// impl ResponseError for AppError {
///     fn status_code(&self) -> StatusCode {
///         match self {
///             Self::Webhook(rejection) => rejection.status(),
///             Self::Database => StatusCode::SERVICE_UNAVAILABLE,
///         }
///     }
///
///     fn error_response(&self) -> HttpResponse {
///         match self {
///             Self::Webhook(rejection) => rejection.error_response(),
///             Self::Database => HttpResponse::new(self.status_code()),
///         }
///     }
/// }
///
/// async fn on_event(
///     webhook: Result<Webhook<Event>, WebhookRejection>,
/// ) -> Result<&'static str, AppError> {
///     let Webhook(event) = webhook?;
///     println!("{event:?}");
///     Ok("noted")
/// }
/// ```
///
/// If you create the response in another way, insert `rejection.refusal()` into its extensions, so
/// that metrics and tests can read it.
#[derive(Debug, Clone)]
pub struct WebhookRejection(Rejection);

impl WebhookRejection {
    /// Logs a refusal once, where it happens.
    pub(crate) fn logged(rejection: impl Into<Rejection>) -> Self {
        let rejection = rejection.into();
        rejection.log();
        Self(rejection)
    }

    /// Refuses a request whose route has no middleware. Logs it, with the path.
    pub(crate) fn missing_layer(path: &str) -> Self {
        Self::logged(Rejection::from(Refusal::MissingLayer).with_path(path))
    }

    /// Returns why the request is refused.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.0.refusal()
    }

    /// Returns the status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        status(self.0.response().status())
    }

    /// Logs the refusal, with its code, status, reason and hint.
    ///
    /// The middleware and the extractors of this crate already log their refusals. Call this method
    /// only for a rejection that you create from a [`Refusal`].
    pub fn log(&self) {
        self.0.log();
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
        let refused = self.0.response();
        let mut response = HttpResponse::new(status(refused.status()));
        response.extensions_mut().insert(self.refusal());
        for (name, value) in refused.headers() {
            match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                (Ok(name), Ok(value)) => _ = response.headers_mut().insert(name, value),
                _ => refused.log_invalid_header(name),
            }
        }
        if refused.body().is_empty() {
            response
        } else {
            response.set_body(BoxBody::new(refused.body().clone()))
        }
    }
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
