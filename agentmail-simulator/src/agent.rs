use std::{fmt, sync::Arc};

use crate::{
    api::{check_rules, check_url},
    delivery::Delivery,
    error::{ApiError, Problem},
    fault::FaultPlan,
    inbound::Flags,
    mail::{Mail, ReceivedMail},
    random,
    record::{self, State as DeliveryState},
    rule::Rule,
    service::Service,
    state::State,
    time::now,
};

/// An agent of a [`Simulator`](crate::Simulator): the same calls as the API, without HTTP.
#[derive(Clone)]
pub struct Agent {
    service: Arc<Service>,
    agent_id: String,
    token: String,
}

impl Agent {
    pub(crate) fn new(service: Arc<Service>, agent_id: String, token: String) -> Self {
        Self { service, agent_id, token }
    }

    /// Returns the agent's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.agent_id
    }

    /// Returns the bearer token for the API.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Sets the URL of the agent's webhook, and enables it. Returns the signing secret, which is
    /// new at the first setup only.
    ///
    /// # Errors
    ///
    /// The URL is neither HTTPS nor HTTP to a loopback address.
    pub async fn set_webhook(&self, url: &str) -> Result<String, ApiError> {
        check_url(url, self.service.settings.loopback_only)
            .map_err(|detail| Problem::field("url", detail))?;
        self.change_webhook(Some(url.to_owned()), None).await
    }

    /// Makes a new signing secret, and returns it. Deliveries are signed with it from now on.
    ///
    /// # Errors
    ///
    /// The agent has no webhook.
    pub async fn rotate_secret(&self) -> Result<String, ApiError> {
        self.change_webhook(None, Some(random::hex::<32>())).await
    }

    /// Removes the agent's webhook and its secret. Rules with a webhook then deliver unsigned.
    ///
    /// # Errors
    ///
    /// The agent has no webhook.
    pub async fn remove_webhook(&self) -> Result<(), ApiError> {
        Ok(self.service.write(|state| state.delete_webhook(&self.agent_id)).await??)
    }

    /// Replaces the notification rules.
    ///
    /// # Errors
    ///
    /// A rule is not valid. [`ApiError::field`] names the field, such as
    /// `[0].channels.webhook.url`.
    pub async fn set_rules(&self, rules: impl IntoIterator<Item = Rule>) -> Result<(), ApiError> {
        let rules: Vec<_> = rules.into_iter().map(Rule::into_record).collect();
        check_rules(&rules, self.service.settings.loopback_only)?;
        Ok(self.service.write(|state| state.set_rules(&self.agent_id, rules)).await??)
    }

    /// Plans a fault. It replaces the plan for the same fault.
    ///
    /// # Errors
    ///
    /// The data file cannot be written.
    pub async fn set_fault(&self, plan: FaultPlan) -> Result<(), ApiError> {
        Ok(self.service.write(|state| state.set_fault(&self.agent_id, plan)).await??)
    }

    /// Removes all faults.
    ///
    /// # Errors
    ///
    /// The data file cannot be written.
    pub async fn clear_faults(&self) -> Result<(), ApiError> {
        Ok(self.service.write(|state| state.clear_faults(&self.agent_id)).await??)
    }

    /// Lets the agent receive a mail. Its deliveries begin in the background.
    ///
    /// # Errors
    ///
    /// An address or the subject is not valid, too many deliveries are pending, or the mail cannot
    /// be written to the bucket.
    pub async fn receive(&self, mail: Mail) -> Result<ReceivedMail, ApiError> {
        let message = self.service.receive(&self.agent_id, mail.into_inbound()).await?;
        Ok(ReceivedMail::new(Arc::clone(&self.service), message))
    }

    /// Lets the agent receive a raw message (RFC 5322) from a verified sender.
    ///
    /// # Errors
    ///
    /// The message has no header field, too many deliveries are pending, or the mail cannot be
    /// written to the bucket.
    pub async fn receive_raw(&self, raw: &[u8]) -> Result<ReceivedMail, ApiError> {
        let flags = Flags::new(None, None, None, None, None);
        let message = self.service.receive_raw(&self.agent_id, raw, flags, now()).await?;
        Ok(ReceivedMail::new(Arc::clone(&self.service), message))
    }

    /// Returns the agent's deliveries. The oldest is the first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.service.read(|state| self.list(state, |_| true))
    }

    /// Returns the agent's dead letters. The oldest is the first.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<Delivery> {
        self.service.read(|state| self.list(state, |it| it.state == DeliveryState::Dead))
    }

    /// Returns the recipients that rules would send this mail to.
    #[must_use]
    pub fn recipients(&self, message_id: &str) -> Vec<String> {
        self.service.read(|state| {
            let of_message = |mail: &&Arc<record::OutboxMail>| {
                mail.agent_id == self.agent_id && mail.message_id == message_id
            };
            let mails = state.outbox.values().filter(of_message);
            mails.map(|mail| mail.recipient.clone()).collect()
        })
    }

    /// Sends the agent's dead letters again, with all of their attempts. Returns how many.
    ///
    /// # Errors
    ///
    /// The data file cannot be written.
    pub async fn redrive(&self) -> Result<usize, ApiError> {
        Ok(self.service.write(|state| state.redrive_all(Some(&self.agent_id))).await?)
    }

    async fn change_webhook(
        &self,
        url: Option<String>,
        secret: Option<String>,
    ) -> Result<String, ApiError> {
        let enabled = url.is_some().then_some(true);
        let first = random::hex::<32>;
        let set = self
            .service
            .write(|state| state.set_webhook(&self.agent_id, url, enabled, secret, first));
        let (webhook, _) = set.await??;
        Ok(webhook.secret)
    }

    fn list(&self, state: &State, matches: impl Fn(&record::Delivery) -> bool) -> Vec<Delivery> {
        let own = |it: &&Arc<record::Delivery>| it.agent_id == self.agent_id && matches(it);
        state.deliveries.values().filter(own).cloned().map(Delivery::new).collect()
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("agent_id", &self.agent_id).finish_non_exhaustive()
    }
}
