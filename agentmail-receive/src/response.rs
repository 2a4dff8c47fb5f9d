use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use crate::{log_limit::LogLimit, observer::Observers, refusal::Refusal, telemetry};

/// The HTTP response to a refused delivery: status, headers and body.
///
/// It uses no type of a framework, so that one [hook](crate::WebhookConfig::with_refusal_response)
/// works with every adapter.
///
/// ```
/// # use agentmail_receive::{RefusalResponse, WebhookConfig};
/// # use agentmail_verify::{Secret, Verifier};
/// let verifier = Verifier::new(Secret::new("whsec_test_secret")?);
/// let config = WebhookConfig::new(verifier).with_refusal_response(|refusal, response| {
///     match refusal.status() {
///         403 => response.with_status(401).with_header("www-authenticate", "Signature"),
///         _ => response,
///     }
/// });
/// # Ok::<(), agentmail_verify::SecretError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct RefusalResponse {
    status: u16,
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    body: Bytes,
}

impl RefusalResponse {
    /// Creates a response without headers and with an empty body.
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Bytes::new() }
    }

    /// Sets the status code. An adapter sends 500 in place of a code outside 100 to 999.
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Sets a header. It replaces an earlier value of the same name, in any case.
    ///
    /// An adapter leaves out a header whose name or value HTTP does not allow, and logs an error.
    pub fn with_header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        let name = name.into();
        self.headers.retain(|(existing, _)| !existing.eq_ignore_ascii_case(&name));
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    pub fn with_body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Returns the status code.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// Returns the headers, as names and values.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns the body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Logs that a header is left out because HTTP does not allow its name or value. For adapters.
    pub fn log_invalid_header(&self, name: &str) {
        telemetry::invalid_header(name);
    }
}

/// How a configuration responds to refusals, limits their log lines, and reports them.
#[derive(Clone, Default)]
pub(crate) struct RefusalStyle {
    pub(crate) problem_details: bool,
    pub(crate) hook: Option<Arc<Hook>>,
    /// Copies of a style share it.
    pub(crate) log_limit: Arc<LogLimit>,
    pub(crate) observers: Observers,
}

pub(crate) type Hook = dyn Fn(&Refusal, RefusalResponse) -> RefusalResponse + Send + Sync;

impl RefusalStyle {
    /// Returns the style of refusals without a configuration.
    pub(crate) fn shared_default() -> Arc<Self> {
        static DEFAULT: LazyLock<Arc<RefusalStyle>> = LazyLock::new(Arc::default);
        Arc::clone(&DEFAULT)
    }

    pub(crate) fn response(
        &self,
        refusal: &Refusal,
        hint: &'static str,
        diagnosis: Option<Value>,
    ) -> RefusalResponse {
        let response = self.unshaped(refusal, hint, diagnosis);
        match &self.hook {
            // The response stays 200: with an error status, the sender would repeat the delivery.
            Some(hook) if *refusal != Refusal::AlreadyHandled => hook(refusal, response),
            _ => response,
        }
    }

    fn unshaped(
        &self,
        refusal: &Refusal,
        hint: &'static str,
        diagnosis: Option<Value>,
    ) -> RefusalResponse {
        let mut response = RefusalResponse::new(refusal.status());
        if refusal.status() == 503 {
            response = response.with_header("retry-after", "5");
        }
        if self.problem_details && refusal.status() >= 400 {
            response = response
                .with_header("content-type", "application/problem+json")
                .with_body(problem(refusal, hint, diagnosis));
        }
        response
    }
}

impl fmt::Debug for RefusalStyle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusalStyle")
            .field("problem_details", &self.problem_details)
            .field("hook", &self.hook.is_some())
            .field("observers", &self.observers)
            .finish_non_exhaustive()
    }
}

/// Problem details as in RFC 9457.
#[derive(Serialize)]
struct Problem {
    status: u16,
    code: &'static str,
    detail: String,
    hint: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnosis: Option<Value>,
}

fn problem(refusal: &Refusal, hint: &'static str, diagnosis: Option<Value>) -> Vec<u8> {
    let problem = Problem {
        status: refusal.status(),
        code: refusal.code(),
        detail: refusal.to_string(),
        hint,
        diagnosis,
    };
    serde_json::to_vec(&problem).expect("a struct of texts, a number and JSON serializes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(problem_details: bool, hook: Option<Arc<Hook>>) -> RefusalStyle {
        RefusalStyle { problem_details, hook, ..RefusalStyle::default() }
    }

    fn response(style: &RefusalStyle, refusal: Refusal) -> RefusalResponse {
        style.response(&refusal, refusal.hint(), None)
    }

    #[test]
    fn a_refusal_has_an_empty_body_and_asks_for_a_retry_where_one_can_help() {
        let none = style(false, None);

        assert_eq!(response(&none, Refusal::UnknownTenant), RefusalResponse::new(403));
        assert_eq!(
            response(&none, Refusal::LookupFailed),
            RefusalResponse::new(503)
                .with_header("Retry-After", "5")
                .with_header("retry-after", "5")
        );
    }

    #[test]
    fn problem_details_name_code_and_hint() {
        let response = response(&style(true, None), Refusal::UnknownTenant);

        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["code"], "unknown_tenant");
        assert_eq!(problem["hint"], Refusal::UnknownTenant.hint());
        assert_eq!(
            response.headers().collect::<Vec<_>>(),
            [("content-type", "application/problem+json")]
        );
    }

    #[test]
    fn the_hook_shapes_every_refusal_but_not_already_handled() {
        let teapot: Arc<Hook> = Arc::new(|_, response| response.with_status(418).with_body("tea"));
        let style = style(true, Some(teapot));

        let refused = response(&style, Refusal::OtherAgent);
        assert_eq!((refused.status(), &refused.body()[..]), (418, &b"tea"[..]));
        assert_eq!(response(&style, Refusal::AlreadyHandled), RefusalResponse::new(200));
    }
}
