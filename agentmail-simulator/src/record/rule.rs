use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::record::object::{object, optional_object};

/// A notification rule. Each enabled rule whose filters match a mail routes it to its channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rule)]
pub(crate) struct Rule {
    /// Unique among the agent's rules.
    #[schema(min_length = 1, max_length = 100)]
    pub(crate) id: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    pub(crate) name: String,
    #[serde(default = "enabled")]
    pub(crate) enabled: bool,
    #[serde(default, deserialize_with = "object")]
    pub(crate) filters: Filters,
    #[serde(default, deserialize_with = "object")]
    pub(crate) channels: Channels,
}

/// Filters are combined with AND. The entries of one list are combined with OR. A filter that is
/// absent, null or empty matches every mail.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Filters)]
pub(crate) struct Filters {
    #[serde(default)]
    pub(crate) sender_verified: Option<bool>,
    #[serde(default)]
    #[schema(max_items = 100)]
    pub(crate) traffic_types: Option<Vec<String>>,
    /// Compared with the part of the sender's address after `@`, without regard to case.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub(crate) sender_domains: Option<Vec<String>>,
    #[serde(default)]
    #[schema(max_items = 100)]
    pub(crate) trust_tiers: Option<Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Channels)]
pub(crate) struct Channels {
    #[serde(default, deserialize_with = "optional_object")]
    pub(crate) webhook: Option<WebhookChannel>,
    #[serde(default, deserialize_with = "optional_object")]
    pub(crate) email: Option<EmailChannel>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookChannel)]
pub(crate) struct WebhookChannel {
    #[serde(default = "enabled")]
    pub(crate) enabled: bool,
    /// HTTPS, or HTTP to a loopback address. Without it, the URL of `PUT /webhook` is used.
    #[serde(default)]
    #[schema(max_length = 2000)]
    pub(crate) url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EmailChannel)]
pub(crate) struct EmailChannel {
    #[serde(default = "enabled")]
    pub(crate) enabled: bool,
    /// Mail addresses. The simulator sends no mail: `GET /outbox` shows what it would send.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub(crate) recipients: Vec<String>,
}

fn enabled() -> bool {
    true
}
