use std::{error::Error, fmt, time::Duration};

use agentmail_verify::{PayloadError, VerifyError};
use tracing::Level;

/// Why a request does not reach the handler.
///
/// The extensions of the response contain it, for metrics and tests. The log line contains its
/// [`code`](Self::code). [`AlreadyHandled`](Self::AlreadyHandled) is not an error: its response is
/// 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 403: a header is missing or malformed, the timestamp is not fresh, or no secret matches.
    Unverified(VerifyError),
    /// 403: the `key` of a [`Lookup`](crate::Lookup) found no tenant in the request.
    MissingTenant,
    /// 403: a [`Lookup`](crate::Lookup) knows no such tenant.
    UnknownTenant,
    /// 403: the secret belongs to one agent, and the payload names another agent. Or its `agent_id`
    /// is duplicated, is not a string, or has a lone surrogate.
    OtherAgent,
    /// 503: the lookup failed.
    LookupFailed,
    /// 503: the lookup took too long.
    #[non_exhaustive]
    LookupTimeout {
        /// How long it may take.
        timeout: Duration,
    },
    /// 503: too many lookups wait for their turn.
    LookupBusy,
    /// 413: the body is longer than the limit, by its declared length or by the bytes that arrived.
    #[non_exhaustive]
    BodyTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// 408: the body was not complete in time.
    #[non_exhaustive]
    BodyTimeout {
        /// How long a body may take.
        timeout: Duration,
    },
    /// 400: the body ended early or could not be read.
    UnreadableBody,
    /// 422: the delivery is authentic, but it is not what the handler expects.
    UnexpectedPayload(PayloadError),
    /// 200: the message was already handled, and is not handled again.
    AlreadyHandled,
    /// 503: a copy of the message is being handled at this moment.
    InFlight,
    /// 503: the store of claims is down, slow or full, so the message is not handled.
    StoreUnavailable,
    /// 503: the message could not be stored in the inbox.
    InboxUnavailable,
    /// 500: the handler takes a verified delivery, but no layer on the route verifies.
    MissingLayer,
    /// 500: the handler takes `Webhook`, but the app's data has no `WebhookConfig` (actix-web).
    MissingConfiguration,
}

/// The properties that all refusals of a kind share.
struct Row {
    code: &'static str,
    status: u16,
    level: Level,
    hint: &'static str,
}

impl Refusal {
    /// Every refusal is one row: code, status, level of the log event, and hint.
    const fn row(&self) -> Row {
        const fn row(code: &'static str, status: u16, level: Level, hint: &'static str) -> Row {
            Row { code, status, level, hint }
        }
        const DEBUG: Level = Level::DEBUG;
        const WARN: Level = Level::WARN;
        const ERROR: Level = Level::ERROR;

        match self {
            Self::Unverified(error) => {
                let (level, hint) = match error {
                    VerifyError::Unsigned => {
                        (WARN, "set a signing secret at the service (`PUT /webhook`)")
                    }
                    VerifyError::MissingSignature | VerifyError::MissingTimestamp => {
                        (DEBUG, "the request is from another sender, or a proxy removed the header")
                    }
                    VerifyError::DuplicateSignature | VerifyError::DuplicateTimestamp => (
                        DEBUG,
                        "check whether a proxy adds the header; if not, a client sent it twice",
                    ),
                    VerifyError::MalformedSignature => {
                        (DEBUG, "check which service sends this: expected `v1=` and 64 hex digits")
                    }
                    VerifyError::MalformedTimestamp => {
                        (DEBUG, "check which service sends this: expected Unix seconds in digits")
                    }
                    VerifyError::UnsupportedScheme => {
                        (WARN, "check which service sends this: expected a `v1` value")
                    }
                    VerifyError::Stale { .. } => {
                        (WARN, "fix the clock if the age is constant; raise `max_age` if it grows")
                    }
                    VerifyError::TooFarAhead { .. } => {
                        (WARN, "check the clock of this machine and of the sender")
                    }
                    VerifyError::Mismatch => (
                        WARN,
                        "check the secret (without quotes); check that no proxy changes the body",
                    ),
                    _ => (WARN, "look up this code in the documentation of `VerifyError`"),
                };
                row(error.code(), 403, level, hint)
            }
            Self::MissingTenant => row(
                "missing_tenant",
                403,
                WARN,
                "check the path that `key` expects; in axum's `nest`, read it from `OriginalUri`",
            ),
            Self::UnknownTenant => row(
                "unknown_tenant",
                403,
                WARN,
                "check that `find` has the tenant that the request names, or ignore the request",
            ),
            Self::OtherAgent => row(
                "other_agent",
                403,
                WARN,
                "check who has this agent's secret, and which URL is registered for each agent",
            ),
            Self::LookupFailed => {
                row("lookup_failed", 503, WARN, "the field `error` has the error of the lookup")
            }
            Self::LookupTimeout { .. } => {
                row("lookup_timeout", 503, WARN, "check the database that the lookup uses")
            }
            Self::LookupBusy => row(
                "lookup_busy",
                503,
                WARN,
                "many lookups at once; see `CacheConfig::with_max_concurrent_lookups`",
            ),
            Self::BodyTooLarge { .. } => row(
                "body_too_large",
                413,
                WARN,
                "raise `with_body_limit` if the service sends longer bodies",
            ),
            Self::BodyTimeout { .. } => row(
                "body_timeout",
                408,
                WARN,
                "check the proxy; if the service is slow, raise `with_body_timeout`",
            ),
            Self::UnreadableBody => row(
                "unreadable_body",
                400,
                WARN,
                "the client disconnected, or an outer `RequestBodyLimitLayer` cut the body",
            ),
            Self::UnexpectedPayload(error) => row(
                error.code(),
                422,
                WARN,
                "to accept all types of event, take `Event`; to read the raw body, take `Delivery`",
            ),
            Self::AlreadyHandled => row(
                "already_handled",
                200,
                DEBUG,
                "nothing to do: this message was delivered again",
            ),
            Self::InFlight => row(
                "in_flight",
                503,
                DEBUG,
                "wait: the handler runs for an earlier copy; when it succeeds, copies get 200",
            ),
            Self::StoreUnavailable => row(
                "store_unavailable",
                503,
                WARN,
                "check the store (for example Redis); the log line before this one has the cause",
            ),
            Self::InboxUnavailable => row(
                "inbox_unavailable",
                503,
                WARN,
                "check the database of the inbox; the first line of the outage has the cause",
            ),
            Self::MissingLayer => row(
                "missing_layer",
                500,
                ERROR,
                "add the layer (axum: `VerifyLayer`, actix-web: `VerifyWebhook`) to this route",
            ),
            Self::MissingConfiguration => row(
                "missing_configuration",
                500,
                ERROR,
                "add a `WebhookConfig` to the app with `app_data`",
            ),
        }
    }

    /// Every [`code`](Self::code), for example for the labels of a metric.
    pub const CODES: &[&str] = &[
        "missing_signature",
        "unsigned",
        "duplicate_signature",
        "malformed_signature",
        "unsupported_scheme",
        "missing_timestamp",
        "duplicate_timestamp",
        "malformed_timestamp",
        "stale",
        "too_far_ahead",
        "mismatch",
        "missing_tenant",
        "unknown_tenant",
        "other_agent",
        "lookup_failed",
        "lookup_timeout",
        "lookup_busy",
        "body_too_large",
        "body_timeout",
        "unreadable_body",
        "malformed_json",
        "unexpected_payload",
        "already_handled",
        "in_flight",
        "store_unavailable",
        "inbox_unavailable",
        "missing_layer",
        "missing_configuration",
    ];

    /// Returns the stable, machine-readable name of the reason.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.row().code
    }

    /// Returns the status of the response, unless a
    /// [hook](crate::WebhookConfig::with_refusal_response) changes it.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.row().status
    }

    /// Returns what an operator can do about the refusal.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        self.row().hint
    }

    pub(crate) const fn level(&self) -> Level {
        self.row().level
    }
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        Self::Unverified(error)
    }
}

impl From<PayloadError> for Refusal {
    fn from(error: PayloadError) -> Self {
        Self::UnexpectedPayload(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unverified(error) => error.fmt(f),
            Self::MissingTenant => f.write_str("the request names no tenant"),
            Self::UnknownTenant => f.write_str("the lookup found no such tenant"),
            Self::OtherAgent => f.write_str(
                "the payload names another agent than the secret's, or `agent_id` is invalid",
            ),
            Self::LookupFailed => f.write_str("the lookup of the tenant failed"),
            Self::LookupTimeout { timeout } => {
                write!(f, "the lookup of the tenant took longer than {timeout:?}")
            }
            Self::LookupBusy => f.write_str("too many lookups wait for their turn"),
            Self::BodyTooLarge { limit } => write!(f, "the body is longer than {limit} bytes"),
            Self::BodyTimeout { timeout } => {
                write!(f, "the body was not complete within {timeout:?}")
            }
            Self::UnreadableBody => f.write_str("the body could not be read"),
            Self::UnexpectedPayload(error) => error.fmt(f),
            Self::AlreadyHandled => f.write_str("the message was already handled"),
            Self::InFlight => f.write_str("the message is being handled at this moment"),
            Self::StoreUnavailable => f.write_str(
                "the message is not handled, because the store of claims is not available",
            ),
            Self::InboxUnavailable => f.write_str("the message could not be stored in the inbox"),
            Self::MissingLayer => f.write_str("no layer verifies the deliveries of this route"),
            Self::MissingConfiguration => f.write_str("the app's data has no `WebhookConfig`"),
        }
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use agentmail_verify::from_json;

    use super::*;

    /// The variant after this one. A variant that is missing here does not compile.
    fn next(refusal: &Refusal) -> Option<Refusal> {
        Some(match refusal {
            Refusal::Unverified(_) => Refusal::MissingTenant,
            Refusal::MissingTenant => Refusal::UnknownTenant,
            Refusal::UnknownTenant => Refusal::OtherAgent,
            Refusal::OtherAgent => Refusal::LookupFailed,
            Refusal::LookupFailed => Refusal::LookupTimeout { timeout: Duration::ZERO },
            Refusal::LookupTimeout { .. } => Refusal::LookupBusy,
            Refusal::LookupBusy => Refusal::BodyTooLarge { limit: 0 },
            Refusal::BodyTooLarge { .. } => Refusal::BodyTimeout { timeout: Duration::ZERO },
            Refusal::BodyTimeout { .. } => Refusal::UnreadableBody,
            Refusal::UnreadableBody => payload(b"["),
            Refusal::UnexpectedPayload(error) if error.code() == "malformed_json" => payload(b"{}"),
            Refusal::UnexpectedPayload(_) => Refusal::AlreadyHandled,
            Refusal::AlreadyHandled => Refusal::InFlight,
            Refusal::InFlight => Refusal::StoreUnavailable,
            Refusal::StoreUnavailable => Refusal::InboxUnavailable,
            Refusal::InboxUnavailable => Refusal::MissingLayer,
            Refusal::MissingLayer => Refusal::MissingConfiguration,
            Refusal::MissingConfiguration => return None,
        })
    }

    fn payload(body: &[u8]) -> Refusal {
        from_json::<Vec<u8>>(body).unwrap_err().into()
    }

    #[test]
    fn codes_are_complete_and_stable() {
        let others = std::iter::successors(next(&VerifyError::Mismatch.into()), next);

        let codes = VerifyError::CODES.iter().copied();
        let codes: Vec<_> = codes.chain(others.map(|refusal| refusal.code())).collect();

        assert_eq!(codes, Refusal::CODES);
        let (_, variants) = include_str!("refusal.rs").split_once("pub enum Refusal {").unwrap();
        let (variants, _) = variants.split_once("\n}").unwrap();
        let is_variant =
            |line: &&str| line.starts_with("    ") && line[4..].starts_with(char::is_uppercase);
        // `Unverified` has the codes of `VerifyError`, `UnexpectedPayload` has two.
        let visited = codes.len() - (VerifyError::CODES.len() - 1) - 1;
        assert_eq!(variants.lines().filter(is_variant).count(), visited, "`next` visits all");
    }

    #[test]
    fn only_a_copy_gets_200_and_only_a_setup_error_gets_500() {
        let all = || std::iter::successors(Some(VerifyError::Mismatch.into()), next);
        let with = |status| all().filter(move |refusal| refusal.status() == status);

        assert!(with(200).eq([Refusal::AlreadyHandled]));
        assert!(with(500).eq([Refusal::MissingLayer, Refusal::MissingConfiguration]));
        assert!(all().all(|refusal| matches!(refusal.status(), 200 | 400..=599)));
        assert!(all().filter(|refusal| refusal.level() == Level::ERROR).eq(with(500)));
    }
}
