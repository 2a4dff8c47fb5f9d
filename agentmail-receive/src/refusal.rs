use std::{error::Error, fmt, time::Duration};

use agentmail_verify::{PayloadError, VerifyError};

/// Why a request is refused.
///
/// It stands in the extensions of the refusing response, for metrics and tests; the log carries its
/// [`code`](Self::code).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 403: the headers, the freshness or the signature.
    Unverified(VerifyError),
    /// 403: a [`Lookup`](crate::Lookup) knows no such tenant.
    UnknownTenant,
    /// 403: a tenant's secret signed a delivery that does not name the tenant's agent.
    OtherAgent,
    /// 503: the lookup failed.
    SourceFailed,
    /// 503: the lookup did not answer in time.
    #[non_exhaustive]
    SourceTimeout {
        /// The time that it may take.
        timeout: Duration,
    },
    /// 503: so many unknown tenants have been asked for that one more is not.
    SourceBusy,
    /// 413: the body is longer than the limit, by its declared length or by what arrived.
    #[non_exhaustive]
    BodyTooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// 408: the body was not complete in time.
    #[non_exhaustive]
    BodyTimeout {
        /// The time that a body may take.
        timeout: Duration,
    },
    /// 400: the body broke off, or could not be read.
    UnreadableBody,
    /// 422: the delivery is authentic, but not what the handler asked for.
    UnexpectedPayload(PayloadError),
    /// 200: the message was handled before, and is not handled again.
    AlreadyHandled,
    /// 503: a copy of the message is being handled just now.
    InFlight,
    /// 503: the message cannot be claimed, the store being down, slow or full.
    StoreUnavailable,
    /// 500: a handler asks for a verified delivery on a route where nothing verifies.
    MissingLayer,
    /// 500: an extractor that verifies by itself finds no configuration.
    MissingConfiguration,
}

impl Refusal {
    /// Returns the stable, machine-readable name of the reason.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unverified(error) => error.code(),
            Self::UnknownTenant => "unknown_tenant",
            Self::OtherAgent => "other_agent",
            Self::SourceFailed => "source_failed",
            Self::SourceTimeout { .. } => "source_timeout",
            Self::SourceBusy => "source_busy",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTimeout { .. } => "body_timeout",
            Self::UnreadableBody => "unreadable_body",
            Self::UnexpectedPayload(error) => error.code(),
            Self::AlreadyHandled => "already_handled",
            Self::InFlight => "in_flight",
            Self::StoreUnavailable => "store_unavailable",
            Self::MissingLayer => "missing_layer",
            Self::MissingConfiguration => "missing_configuration",
        }
    }

    /// Returns the status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Unverified(_) | Self::UnknownTenant | Self::OtherAgent => 403,
            Self::SourceFailed | Self::SourceTimeout { .. } | Self::SourceBusy => 503,
            Self::BodyTooLarge { .. } => 413,
            Self::BodyTimeout { .. } => 408,
            Self::UnreadableBody => 400,
            Self::UnexpectedPayload(_) => 422,
            Self::AlreadyHandled => 200,
            Self::InFlight | Self::StoreUnavailable => 503,
            Self::MissingLayer | Self::MissingConfiguration => 500,
        }
    }

    /// Returns what an operator can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unverified(error) => verify_hint(error),
            Self::UnknownTenant => "a new tenant, a wrong path, or noise",
            Self::OtherAgent => {
                "look at who holds this tenant's secret: it signed for another agent, or for none"
            }
            Self::SourceFailed => "the log tells why the lookup failed",
            Self::SourceTimeout { .. } => "look at the store that the lookup asks",
            Self::SourceBusy => {
                "strangers ask for many tenants; `CacheConfig::unknown` allows more"
            }
            Self::BodyTooLarge { .. } => "raise `body_limit` if the service sends longer bodies",
            Self::BodyTimeout { .. } => "raise `body_timeout`, or look at the proxy in between",
            Self::UnreadableBody => "the connection broke, or the transfer coding is malformed",
            Self::UnexpectedPayload(_) => {
                "the raw body is in `Delivery`; a handler of `Event` takes events of any type"
            }
            Self::AlreadyHandled => "nothing is to be done: the sender repeats itself",
            Self::InFlight => "a later attempt is answered 200, if this one succeeds",
            Self::StoreUnavailable => "look at the store, and at the log just before this",
            Self::MissingLayer => {
                "add the layer (axum: `VerifyLayer`, actix-web: `VerifyWebhook`) to this route"
            }
            Self::MissingConfiguration => "put a `WebhookConfig` into the app's data",
        }
    }
}

const fn verify_hint(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::Unsigned => "set a signing secret at the service (`PUT /webhook`)",
        VerifyError::MissingSignature | VerifyError::MissingTimestamp => {
            "not from AgentMail by Assmbl, or a proxy drops the header"
        }
        VerifyError::DuplicateSignature | VerifyError::DuplicateTimestamp => {
            "a proxy repeats the header, or somebody added one"
        }
        VerifyError::MalformedSignature => "expected `v1=` and 64 hex digits",
        VerifyError::MalformedTimestamp => "expected Unix seconds in plain digits",
        VerifyError::UnsupportedScheme => "expected a `v1` value: is this another service?",
        VerifyError::Stale { .. } => {
            "about the same age each time: check the clocks; growing: raise `max_age`"
        }
        VerifyError::TooFarAhead { .. } => "check this machine's clock, and the sender's",
        VerifyError::Mismatch => {
            "check the secret, and that no proxy or middleware changes the body"
        }
        _ => "see the documentation of this code",
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
            Self::UnknownTenant => f.write_str("there is no such tenant"),
            Self::OtherAgent => f.write_str("the payload does not name the tenant's agent"),
            Self::SourceFailed => f.write_str("the tenant could not be looked up"),
            Self::SourceTimeout { timeout } => {
                write!(f, "the lookup of the tenant took longer than {timeout:?}")
            }
            Self::SourceBusy => f.write_str("too many unknown tenants were asked for"),
            Self::BodyTooLarge { limit } => write!(f, "the body is longer than {limit} bytes"),
            Self::BodyTimeout { timeout } => {
                write!(f, "the body was not complete within {timeout:?}")
            }
            Self::UnreadableBody => f.write_str("the body could not be read"),
            Self::UnexpectedPayload(error) => error.fmt(f),
            Self::AlreadyHandled => f.write_str("the message was handled before"),
            Self::InFlight => f.write_str("the message is being handled just now"),
            Self::StoreUnavailable => f.write_str("the message cannot be claimed"),
            Self::MissingLayer => f.write_str("nothing verifies deliveries on this route"),
            Self::MissingConfiguration => f.write_str("there is no configuration to verify with"),
        }
    }
}

impl Error for Refusal {}
