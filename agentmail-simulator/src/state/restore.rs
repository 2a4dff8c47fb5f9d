use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    record::{Account, Delivery, Event, Message, OutboxMail, State as DeliveryState},
    state::{Lane, State, Stored},
    time::now,
};

impl State {
    /// Adds an account that was saved.
    pub(crate) fn restore_account(&mut self, account: Account) {
        self.tokens.insert(account.token.clone(), account.agent_id.clone());
        self.accounts.insert(account.agent_id.clone(), account);
    }

    /// Adds a message that was saved. Its deliveries follow.
    pub(crate) fn restore_message(&mut self, number: u64, message: Message) {
        self.last_message = self.last_message.max(number);
        self.message_numbers.insert(message.message_id.clone(), number);
        let stored = Stored { message: Arc::new(message), pending: 0, dead: 0 };
        self.messages.insert(number, stored);
        self.sort_by_state(number);
    }

    /// Adds a delivery that was saved. If it is pending, it is due at its time, but never later
    /// than after the longest pause: the clock may have been set back.
    pub(crate) fn restore_delivery(&mut self, number: u64, delivery: Delivery, longest: Duration) {
        self.last_delivery = self.last_delivery.max(number);
        if delivery.state == DeliveryState::Pending {
            let pause = delivery.next_attempt_at.map_or(Duration::ZERO, |due| {
                Duration::try_from(due.duration_since(now())).unwrap_or_default()
            });
            let due = Instant::now() + pause.min(longest);
            self.schedule.add(Lane::of(&delivery), number, due);
        }
        self.count(&delivery.message_id, None, delivery.state);
        self.deliveries.insert(number, Arc::new(delivery));
    }

    pub(crate) fn restore_outbox(&mut self, number: u64, mail: OutboxMail) {
        self.last_outbox = self.last_outbox.max(number);
        self.outbox.insert(number, Arc::new(mail));
    }

    pub(crate) fn restore_event(&mut self, event: Event) {
        self.last_event = self.last_event.max(event.id);
        self.events.push_back(event);
    }
}
