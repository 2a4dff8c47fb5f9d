use crate::record::{self, EmailChannel, WebhookChannel};

/// A notification rule. Each enabled rule whose filters match a mail routes it to its channels.
///
/// ```
/// use agentmail_simulator::Rule;
///
/// let rule = Rule::new("partners")
///     .with_sender_domain("example.com")
///     .with_webhook("http://127.0.0.1:8080/partners")
///     .with_recipient("sales@example.com");
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Rule(record::Rule);

impl Rule {
    /// Creates a rule without filters and without channels. The id is unique among the agent's
    /// rules.
    pub fn new(id: impl Into<String>) -> Self {
        Self(record::Rule {
            id: id.into(),
            name: String::new(),
            enabled: true,
            filters: record::Filters::default(),
            channels: record::Channels::default(),
        })
    }

    /// Sets the name.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.0.name = name.into();
        self
    }

    /// Sets whether the rule is enabled. The default is true.
    pub fn with_enabled(mut self, enabled: bool) -> Self {
        self.0.enabled = enabled;
        self
    }

    /// Matches only mails whose sender is verified, or only those whose sender is not.
    pub fn with_sender_verified(mut self, verified: bool) -> Self {
        self.0.filters.sender_verified = Some(verified);
        self
    }

    /// Matches mails of this type of traffic, beside those of other calls of this method.
    pub fn with_traffic_type(mut self, traffic_type: impl Into<String>) -> Self {
        self.0.filters.traffic_types.get_or_insert_default().push(traffic_type.into());
        self
    }

    /// Matches mails from addresses of this domain, beside those of other calls of this method.
    pub fn with_sender_domain(mut self, domain: impl Into<String>) -> Self {
        self.0.filters.sender_domains.get_or_insert_default().push(domain.into());
        self
    }

    /// Matches mails of this trust tier, beside those of other calls of this method.
    pub fn with_trust_tier(mut self, tier: impl Into<String>) -> Self {
        self.0.filters.trust_tiers.get_or_insert_default().push(tier.into());
        self
    }

    /// Routes to the webhook at this URL.
    pub fn with_webhook(mut self, url: impl Into<String>) -> Self {
        self.0.channels.webhook = Some(WebhookChannel { enabled: true, url: Some(url.into()) });
        self
    }

    /// Routes to the agent's own webhook.
    pub fn with_agents_webhook(mut self) -> Self {
        self.0.channels.webhook = Some(WebhookChannel { enabled: true, url: None });
        self
    }

    /// Routes to this address, beside those of other calls of this method.
    pub fn with_recipient(mut self, address: impl Into<String>) -> Self {
        let none = || EmailChannel { enabled: true, recipients: Vec::new() };
        self.0.channels.email.get_or_insert_with(none).recipients.push(address.into());
        self
    }

    pub(crate) fn into_record(self) -> record::Rule {
        self.0
    }
}
