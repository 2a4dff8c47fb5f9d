use std::{fmt, sync::Arc};

use crate::{
    fault::Fault,
    record::{self, Exchange},
};

/// A mail on its way to one webhook, as it was when it was read.
#[derive(Clone)]
pub struct Delivery(Arc<record::Delivery>);

/// The state of a [`Delivery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeliveryState {
    /// It waits for an attempt, or an attempt runs.
    Pending,
    /// An attempt got a 2xx.
    Delivered,
    /// All attempts failed. It is in the dead letter queue.
    Dead,
}

impl Delivery {
    pub(crate) fn new(delivery: Arc<record::Delivery>) -> Self {
        Self(delivery)
    }

    /// Returns the id in the API.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.delivery_id
    }

    /// Returns the `message_id` of the mail.
    #[must_use]
    pub fn message_id(&self) -> &str {
        &self.0.message_id
    }

    /// Returns the rule that routed the mail. `None` is the agent's own webhook.
    #[must_use]
    pub fn rule_id(&self) -> Option<&str> {
        self.0.rule_id.as_deref()
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> DeliveryState {
        match self.0.state {
            record::State::Pending => DeliveryState::Pending,
            record::State::Delivered => DeliveryState::Delivered,
            record::State::Dead => DeliveryState::Dead,
        }
    }

    /// Returns the status of the newest attempt's response. `None`: there was no response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status()
    }

    /// Returns why the delivery is a dead letter.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// Returns the newest attempts, at most 20. The newest is the last.
    #[must_use]
    pub fn attempts(&self) -> impl DoubleEndedIterator<Item = Attempt> + ExactSizeIterator {
        let attempt = |index| Attempt { delivery: Arc::clone(&self.0), index };
        (0..self.0.attempts.len()).map(attempt)
    }

    /// Returns the delivery as JSON, as the API has it.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&*self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("id", &self.id())
            .field("message_id", &self.message_id())
            .field("state", &self.state())
            .field("status", &self.status())
            .field("reason", &self.reason())
            .finish_non_exhaustive()
    }
}

/// One attempt of a [`Delivery`].
#[derive(Clone)]
pub struct Attempt {
    delivery: Arc<record::Delivery>,
    index: usize,
}

impl Attempt {
    /// Returns the number of the attempt: the first is 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.record().map_or(0, |attempt| attempt.number)
    }

    /// Returns the fault that the attempt had.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.record()?.fault
    }

    /// Returns the status of the response. `None`: there was no response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.record()?.status()
    }

    /// Returns the statuses of all responses: also those to the copies that a fault sent.
    #[must_use]
    pub fn statuses(&self) -> Vec<Option<u16>> {
        let status = |exchange: &Exchange| exchange.response.as_ref().map(|it| it.status);
        self.record().iter().flat_map(|attempt| &attempt.exchanges).map(status).collect()
    }

    /// Returns why there is no response, or why it is not complete.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.exchange()?.error.as_deref()
    }

    /// Returns the value of a header of the request. The name is in lower case.
    #[must_use]
    pub fn request_header(&self, name: &str) -> Option<&str> {
        let headers = &self.exchange()?.request.headers;
        headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
    }

    /// Returns the first 16 KiB of the request's body.
    #[must_use]
    pub fn request_body(&self) -> &str {
        self.exchange().map_or("", |exchange| &exchange.request.body)
    }

    /// Returns the first 4 KiB of the response's body.
    #[must_use]
    pub fn response_body(&self) -> Option<&str> {
        Some(&self.exchange()?.response.as_ref()?.body)
    }

    fn record(&self) -> Option<&record::Attempt> {
        self.delivery.attempts.get(self.index)
    }

    fn exchange(&self) -> Option<&Exchange> {
        self.record()?.exchanges.first()
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("number", &self.number())
            .field("fault", &self.fault())
            .field("status", &self.status())
            .field("error", &self.error())
            .finish_non_exhaustive()
    }
}
