use std::{error::Error, fmt, io, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of a refusal: a problem of RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Problem {
    /// Always `about:blank`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The meaning of the status.
    pub(crate) title: String,
    pub(crate) status: u16,
    /// What is wrong, in one sentence.
    pub(crate) detail: String,
    /// The field of the request that is wrong, for example `[0].channels.webhook.url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
}

impl Problem {
    pub(crate) fn new(status: http::StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
        }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(http::StatusCode::BAD_REQUEST, detail)
    }

    /// A field of the request is wrong: `detail` continues the sentence that begins with its name.
    pub(crate) fn field(field: impl Into<String>, detail: impl fmt::Display) -> Self {
        let field = field.into();
        Self { detail: format!("`{field}` {detail}"), field: Some(field), ..Self::bad_request("") }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(http::StatusCode::NOT_FOUND, format!("there is no such {what}"))
    }

    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(http::StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    pub(crate) fn internal(detail: impl Into<String>) -> Self {
        Self::new(http::StatusCode::INTERNAL_SERVER_ERROR, detail)
    }
}

/// The simulator refused a call.
///
/// ```
/// # use agentmail_simulator::Simulator;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let simulator = Simulator::start().await.expect("it starts on a free port");
/// let agent = simulator.agent("my-agent").await.expect("the id is valid");
/// let refused = agent.set_webhook("http://example.com/").await.expect_err("not HTTPS");
/// assert_eq!((refused.status(), refused.field()), (400, Some("url")));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ApiError(Problem);

impl ApiError {
    /// Returns the status that the API responds with.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Returns the field that is wrong.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.detail)
    }
}

impl Error for ApiError {}

/// The simulator could not start.
#[derive(Debug, Clone)]
pub struct StartError {
    message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl StartError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), source: None }
    }

    pub(crate) fn caused(
        message: impl Into<String>,
        source: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self { message: message.into(), source: Some(Arc::new(source)) }
    }

    pub(crate) fn io(message: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let message = message.into();
        move |error| Self::caused(message, error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
