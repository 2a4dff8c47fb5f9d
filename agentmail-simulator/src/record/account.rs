use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{fault::FaultPlan, record::Rule, time::Time};

/// An agent and everything that is configured for it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) agent_id: String,
    pub(crate) token: String,
    pub(crate) webhook: Option<Webhook>,
    /// The secret before the last rotation, for the fault `old_secret`.
    pub(crate) former_secret: Option<String>,
    /// When the secret was changed.
    #[serde(default)]
    pub(crate) rotated_at: Option<Time>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) faults: Vec<FaultPlan>,
    /// How many mails the agent has received.
    pub(crate) mails: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) url: String,
    pub(crate) enabled: bool,
    pub(crate) secret: String,
}

impl Account {
    pub(crate) fn new(agent_id: String, token: String) -> Self {
        Self {
            agent_id,
            token,
            webhook: None,
            former_secret: None,
            rotated_at: None,
            rules: Vec::new(),
            faults: Vec::new(),
            mails: 0,
        }
    }

    /// Returns the URL that a rule leads to, or without a rule, the URL of the agent's webhook.
    pub(crate) fn url(&self, rule_id: Option<&str>) -> Option<&str> {
        let webhook = self.webhook.as_ref().filter(|webhook| webhook.enabled);
        let Some(rule_id) = rule_id else { return webhook.map(|webhook| webhook.url.as_str()) };
        let rule = self.rules.iter().find(|rule| rule.id == rule_id && rule.enabled)?;
        let channel = rule.channels.webhook.as_ref().filter(|channel| channel.enabled)?;
        channel.url.as_deref().or_else(|| webhook.map(|webhook| webhook.url.as_str()))
    }

    pub(crate) fn secret(&self) -> Option<&str> {
        self.webhook.as_ref().map(|webhook| webhook.secret.as_str())
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("agent_id", &self.agent_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").field("url", &self.url).finish_non_exhaustive()
    }
}
