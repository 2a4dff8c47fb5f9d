use std::{fmt, sync::Arc};

use crate::{
    delivery::Delivery,
    error::{ApiError, Problem},
    inbound::InboundMail,
    record::{Message, State as DeliveryState},
    service::Service,
    settings::Settings,
};

/// A mail for [`Agent::receive`](crate::Agent::receive).
///
/// # Defaults
///
/// The mail has no subject and an empty text. The sender is verified, with the trust tier
/// `verified`, as in the example of the vendor's guide.
#[derive(Debug, Clone)]
#[must_use]
pub struct Mail(InboundMail);

impl Mail {
    /// Creates a mail from this address.
    pub fn new(from: impl Into<String>) -> Self {
        Self(InboundMail { from: from.into(), ..InboundMail::default() })
    }

    /// Sets the recipient's address. By default, it has the agent's id.
    pub fn with_to(mut self, address: impl Into<String>) -> Self {
        self.0.to = Some(address.into());
        self
    }

    /// Sets the subject.
    pub fn with_subject(mut self, subject: impl Into<String>) -> Self {
        self.0.subject = Some(subject.into());
        self
    }

    /// Sets the text.
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.0.text = Some(text.into());
        self
    }

    /// Sets the part that is HTML.
    pub fn with_html(mut self, html: impl Into<String>) -> Self {
        self.0.html = Some(html.into());
        self
    }

    /// Sets whether the sender is verified.
    pub fn with_sender_verified(mut self, verified: bool) -> Self {
        self.0.sender_verified = Some(verified);
        self
    }

    /// Sets how far the service trusts the sender.
    pub fn with_peer_trust_tier(mut self, tier: impl Into<String>) -> Self {
        self.0.peer_trust_tier = Some(tier.into());
        self
    }

    /// Sets the type of traffic, which the rules' filter `traffic_types` looks at.
    pub fn with_traffic_type(mut self, traffic_type: impl Into<String>) -> Self {
        self.0.traffic_type = Some(traffic_type.into());
        self
    }

    /// Sets the flag `rate_limited`.
    pub fn with_rate_limited(mut self, rate_limited: bool) -> Self {
        self.0.rate_limited = Some(rate_limited);
        self
    }

    /// Sets the flag `is_duplicate`.
    pub fn with_is_duplicate(mut self, is_duplicate: bool) -> Self {
        self.0.is_duplicate = Some(is_duplicate);
        self
    }

    pub(crate) fn into_inbound(self) -> InboundMail {
        self.0
    }
}

/// A mail that an agent has received.
#[derive(Clone)]
pub struct ReceivedMail {
    service: Arc<Service>,
    message: Arc<Message>,
}

impl ReceivedMail {
    pub(crate) fn new(service: Arc<Service>, message: Arc<Message>) -> Self {
        Self { service, message }
    }

    /// Returns the `message_id`.
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.message.message_id
    }

    /// Returns the body that its deliveries have: JSON.
    #[must_use]
    pub fn payload(&self) -> &str {
        &self.message.payload
    }

    /// Returns the mail's key in the bucket.
    #[must_use]
    pub fn s3_key(&self) -> &str {
        &self.message.s3_key
    }

    /// Returns the rules that did not match, each with the names of the filters that failed.
    pub fn unmatched_rules(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.message.routes.iter().filter(|route| !route.matched).map(|route| {
            let filters = route.failed_filters.iter().map(|failed| failed.filter.as_str());
            (route.rule_id.as_deref().unwrap_or_default(), filters.collect())
        })
    }

    /// Waits until each delivery of the mail is delivered or a dead letter. Returns them in the
    /// order of the rules.
    ///
    /// # Errors
    ///
    /// One is still pending after 60 seconds, or the mail was removed.
    pub async fn settled(&self) -> Result<Vec<Delivery>, ApiError> {
        let ids = self.message.routes.iter().filter_map(|route| route.delivery_id.as_ref());
        let settled = self.service.wait_for(Settings::WAIT, |state| {
            let mut deliveries = Vec::new();
            for id in ids.clone() {
                let Some((_, delivery)) = state.delivery(id) else {
                    return Some(Err(Problem::not_found("delivery")));
                };
                if delivery.state == DeliveryState::Pending {
                    return None;
                }
                deliveries.push(Delivery::new(Arc::clone(delivery)));
            }
            Some(Ok(deliveries))
        });
        let late = || Problem::unavailable("a delivery is still pending");
        Ok(settled.await.ok_or_else(late)??)
    }

    /// Waits until the first delivery of the mail, and all others, are delivered or dead letters.
    ///
    /// # Errors
    ///
    /// No rule and no webhook took the mail, or one delivery is still pending after 60 seconds.
    pub async fn delivery(&self) -> Result<Delivery, ApiError> {
        let none = || {
            let reasons = self.message.routes.iter().filter_map(|route| route.reason.as_deref());
            let reasons: Vec<_> = reasons.collect();
            Problem::bad_request(format!("the mail has no delivery: {}", reasons.join("; ")))
        };
        Ok(self.settled().await?.into_iter().next().ok_or_else(none)?)
    }
}

impl fmt::Debug for ReceivedMail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedMail")
            .field("message_id", &self.message_id())
            .finish_non_exhaustive()
    }
}
