use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{record::schema, time::Time};

/// A mail that an agent has received.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Message)]
pub(crate) struct Message {
    pub(crate) message_id: String,
    pub(crate) agent_id: String,
    /// The agent's first mail is 1. Faults are chosen by this number.
    pub(crate) number: u64,
    #[schema(schema_with = schema::time)]
    pub(crate) received_at: Time,
    /// Bytes of the raw message.
    pub(crate) size: u64,
    pub(crate) sender: Option<String>,
    /// A lone surrogate, which only the payload can show, is U+FFFD here.
    pub(crate) subject: Option<String>,
    pub(crate) sender_verified: bool,
    pub(crate) peer_trust_tier: Option<String>,
    pub(crate) traffic_type: Option<String>,
    pub(crate) s3_bucket: String,
    pub(crate) s3_key: String,
    /// The body of the webhook's request.
    pub(crate) payload: String,
    /// What each rule did with the mail, and why.
    pub(crate) routes: Vec<Route>,
}

/// What one rule did with a mail. Without a rule's id, it is the agent's own webhook, which gets
/// every mail while the agent has no rules.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Route)]
pub(crate) struct Route {
    pub(crate) rule_id: Option<String>,
    pub(crate) matched: bool,
    /// Why nothing was sent, in one sentence.
    pub(crate) reason: Option<String>,
    /// The filters that did not match.
    pub(crate) failed_filters: Vec<FailedFilter>,
    pub(crate) delivery_id: Option<String>,
    /// The entries of the outbox.
    pub(crate) outbox_ids: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = FailedFilter)]
pub(crate) struct FailedFilter {
    /// The field of `filters`.
    pub(crate) filter: String,
    /// What the filter wants.
    pub(crate) wanted: Vec<String>,
    /// What the mail has.
    pub(crate) actual: Option<String>,
}
