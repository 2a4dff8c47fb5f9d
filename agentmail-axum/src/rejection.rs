use std::{error::Error, fmt};

use agentmail_receive::{Refusal, Rejection};
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

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
/// | in a layer, so that no handler runs | [`with_refusal_response`](crate::WebhookConfig::with_refusal_response) |
/// | in an extractor: `Result<Webhook<T>, WebhookRejection>`, also with `Verified<T>` | your error type, as below |
/// | in a handler: `delivery.json()?`, `delivery.refuse(…)` | your error type, as below |
///
/// The refusal is logged before your code gets the rejection, so your error type need not log it.
/// Create the response from the rejection, as below. Its extensions then contain the [`Refusal`].
///
/// ```
/// use agentmail_axum::{Event, Webhook, WebhookRejection};
/// use axum::{http::StatusCode, response::{IntoResponse, Response}};
///
/// #[derive(Debug, thiserror::Error)]
/// enum AppError {
///     #[error(transparent)]
///     Webhook(#[from] WebhookRejection),
///     #[error("the database is down")]
///     Database,
/// }
///
/// impl IntoResponse for AppError {
///     fn into_response(self) -> Response {
///         match self {
///             Self::Webhook(rejection) => rejection.into_response(),
///             Self::Database => StatusCode::SERVICE_UNAVAILABLE.into_response(),
///         }
///     }
/// }
///
/// async fn on_event(
///     webhook: Result<Webhook<Event>, WebhookRejection>,
/// ) -> Result<StatusCode, AppError> {
///     let Webhook(event) = webhook?;
///     println!("{event:?}");
///     Ok(StatusCode::OK)
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

    /// Refuses a request whose route has no layer. Logs it, with the path.
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
    /// The layers and extractors of this crate already log their refusals. Call this method only
    /// for a rejection that you create from a [`Refusal`].
    pub fn log(&self) {
        self.0.log();
    }

    /// Creates the response with any type of body, for services without axum.
    #[must_use]
    pub fn into_http_response<B>(self) -> http::Response<B>
    where
        B: From<Bytes>,
    {
        let refused = self.0.response();
        let mut response = http::Response::new(refused.body().clone().into());
        *response.status_mut() = status(refused.status());
        response.extensions_mut().insert(self.refusal());
        for (name, value) in refused.headers() {
            match (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                (Ok(name), Ok(value)) => _ = response.headers_mut().insert(name, value),
                _ => refused.log_invalid_header(name),
            }
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
