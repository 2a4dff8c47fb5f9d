use crate::record::Delivery;

/// One webhook of an agent: that of a rule, or without a rule, the agent's own. Deliveries of
/// different lanes do not wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Lane {
    pub(crate) agent_id: String,
    pub(crate) rule_id: Option<String>,
}

impl Lane {
    pub(crate) fn of(delivery: &Delivery) -> Self {
        Self { agent_id: delivery.agent_id.clone(), rule_id: delivery.rule_id.clone() }
    }
}
