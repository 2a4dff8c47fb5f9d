use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    fault::Fault,
    record::{State, schema},
    time::Time,
};

/// Something that happened. `GET /events` sends these.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct Event {
    /// The id of the server-sent event. Later events have greater ids.
    pub(crate) id: u64,
    #[schema(schema_with = schema::time)]
    pub(crate) at: Time,
    pub(crate) kind: Kind,
    pub(crate) agent_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delivery_id: Option<String>,
    /// The state of the delivery after the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<State>,
    /// The number of the attempt: the first is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attempt: Option<u32>,
    /// The fault of the attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::optional_fault)]
    pub(crate) fault: Option<Fault>,
    /// The status of the attempt's response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = EventKind)]
pub(crate) enum Kind {
    #[serde(rename = "agent.created")]
    AgentCreated,
    #[serde(rename = "webhook.changed")]
    WebhookChanged,
    #[serde(rename = "notifications.changed")]
    NotificationsChanged,
    #[serde(rename = "faults.changed")]
    FaultsChanged,
    #[serde(rename = "message.received")]
    MessageReceived,
    #[serde(rename = "message.removed")]
    MessageRemoved,
    #[serde(rename = "outbox.added")]
    OutboxAdded,
    #[serde(rename = "delivery.created")]
    DeliveryCreated,
    #[serde(rename = "delivery.attempted")]
    DeliveryAttempted,
    #[serde(rename = "delivery.redriven")]
    DeliveryRedriven,
}

impl Kind {
    /// Returns the name of the server-sent event.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AgentCreated => "agent.created",
            Self::WebhookChanged => "webhook.changed",
            Self::NotificationsChanged => "notifications.changed",
            Self::FaultsChanged => "faults.changed",
            Self::MessageReceived => "message.received",
            Self::MessageRemoved => "message.removed",
            Self::OutboxAdded => "outbox.added",
            Self::DeliveryCreated => "delivery.created",
            Self::DeliveryAttempted => "delivery.attempted",
            Self::DeliveryRedriven => "delivery.redriven",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_event_is_its_kind_in_json() {
        for kind in [
            Kind::AgentCreated,
            Kind::WebhookChanged,
            Kind::NotificationsChanged,
            Kind::FaultsChanged,
            Kind::MessageReceived,
            Kind::MessageRemoved,
            Kind::OutboxAdded,
            Kind::DeliveryCreated,
            Kind::DeliveryAttempted,
            Kind::DeliveryRedriven,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
