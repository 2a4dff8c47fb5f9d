use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{record::schema, time::Time};

/// A mail that a rule would send to a recipient. The simulator sends no mail.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = OutboxMail)]
pub(crate) struct OutboxMail {
    pub(crate) outbox_id: String,
    pub(crate) agent_id: String,
    pub(crate) message_id: String,
    pub(crate) rule_id: String,
    #[schema(schema_with = schema::time)]
    pub(crate) at: Time,
    pub(crate) recipient: String,
    pub(crate) sender: Option<String>,
    pub(crate) subject: Option<String>,
}
