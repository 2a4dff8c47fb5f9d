use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    record::{Attempt, schema},
    time::Time,
};

/// A mail on its way to one webhook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Delivery)]
pub(crate) struct Delivery {
    pub(crate) delivery_id: String,
    pub(crate) agent_id: String,
    pub(crate) message_id: String,
    /// The number of the mail: the agent's first mail is 1.
    pub(crate) message_number: u64,
    /// The rule that routed the mail. Null is the agent's own webhook.
    pub(crate) rule_id: Option<String>,
    pub(crate) state: State,
    #[schema(schema_with = schema::time)]
    pub(crate) created_at: Time,
    /// When the next attempt is due, while the state is `pending`.
    #[schema(schema_with = schema::optional_time)]
    pub(crate) next_attempt_at: Option<Time>,
    /// When the delivery was delivered, or became a dead letter.
    #[schema(schema_with = schema::optional_time)]
    pub(crate) settled_at: Option<Time>,
    /// Why the delivery is a dead letter.
    pub(crate) reason: Option<String>,
    /// How many attempts there were, with those that are no longer kept.
    pub(crate) attempts_made: u32,
    /// How many attempts were made since the delivery was created or redriven.
    pub(crate) attempts_in_round: u32,
    /// How often it was redriven.
    pub(crate) redrives: u32,
    /// The newest attempts, at most 20. The newest is the last.
    pub(crate) attempts: Vec<Attempt>,
    /// The headers that a retry repeats with `--keep-timestamp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub(crate) kept: Option<KeptSignature>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeliveryState)]
pub(crate) enum State {
    /// It waits for an attempt, or an attempt runs.
    Pending,
    /// An attempt got a 2xx.
    Delivered,
    /// It is in the dead letter queue.
    Dead,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = KeptSignature)]
pub(crate) struct KeptSignature {
    pub(crate) timestamp: u64,
    pub(crate) signature: String,
}

impl Delivery {
    /// How many attempts are kept.
    const KEPT: usize = 20;

    pub(crate) fn record(&mut self, attempt: Attempt) {
        self.attempts_made = self.attempts_made.saturating_add(1);
        self.attempts_in_round = self.attempts_in_round.saturating_add(1);
        if self.attempts.len() >= Self::KEPT {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
    }

    /// Returns the status of the newest response, if the newest attempt got one.
    pub(crate) fn status(&self) -> Option<u16> {
        self.attempts.last().and_then(Attempt::status)
    }
}
