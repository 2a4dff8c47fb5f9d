use bytes::Bytes;

use crate::{
    fault::{AttemptKey, Fault},
    record::{Header, KeptSignature},
    state::{Lane, State},
};

/// What an attempt needs to know.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) url: String,
    pub(crate) number: u32,
    pub(crate) fault: Option<Fault>,
    pub(crate) payload: String,
    pub(crate) secret: Option<String>,
    pub(crate) former_secret: Option<String>,
    pub(crate) kept: Option<KeptSignature>,
    /// The newest genuine request of the lane.
    pub(crate) last_sent: Option<Sent>,
}

/// A request that was sent, to send it again.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Bytes,
}

impl State {
    /// Returns what the next attempt needs. `None`: there is no URL for it any more.
    pub(crate) fn plan(&self, number: u64) -> Option<Plan> {
        let delivery = self.deliveries.get(&number)?;
        let account = self.accounts.get(&delivery.agent_id)?;
        let message = self.message(&delivery.message_id)?;
        let attempt = delivery.attempts_made.saturating_add(1);
        let key = AttemptKey {
            agent_id: &delivery.agent_id,
            mail: delivery.message_number,
            rule_id: delivery.rule_id.as_deref(),
            number: attempt,
        };
        // Only the first attempt can be reordered: a retry is late anyway.
        let fault = key.fault(&account.faults).filter(|&it| it != Fault::Reordered || attempt == 1);
        Some(Plan {
            url: account.url(delivery.rule_id.as_deref())?.to_owned(),
            number: attempt,
            fault,
            payload: message.payload.clone(),
            secret: account.secret().map(str::to_owned),
            former_secret: account.former_secret.clone(),
            kept: delivery.kept.clone(),
            last_sent: self.last_sent.get(&Lane::of(delivery)).cloned(),
        })
    }
}
