use std::collections::BTreeSet;

use crate::{
    record::{Kind, State as DeliveryState},
    settings::Settings,
    state::{Lane, State, Stored},
    storage::{Change, Table},
    time::Time,
};

impl State {
    /// Removes the oldest messages: those beyond the limit, and those beyond the age. A message
    /// with a pending delivery is never removed. Those with dead letters have a limit of their own.
    pub(crate) fn retain(&mut self, settings: &Settings, now: Time) {
        let deadline = deadline(settings, now);
        let sets: [fn(&Self) -> &BTreeSet<u64>; 2] =
            [|state| &state.settled, |state| &state.with_dead];
        for set in sets {
            while let Some(&oldest) = set(self).first() {
                let too_many = set(self).len() > settings.max_messages;
                let too_old = self.messages.get(&oldest).is_some_and(|stored| {
                    deadline.is_some_and(|deadline| stored.message.received_at < deadline)
                });
                if !too_many && !too_old {
                    break;
                }
                self.remove_message(oldest);
            }
        }
    }

    /// Whether a message has reached its age.
    pub(crate) fn has_expired(&self, settings: &Settings, now: Time) -> bool {
        let Some(deadline) = deadline(settings, now) else { return false };
        [&self.settled, &self.with_dead]
            .into_iter()
            .filter_map(|set| self.messages.get(set.first()?))
            .any(|stored| stored.message.received_at < deadline)
    }

    /// Removes all messages of an agent, or of all, with their deliveries, those that are pending
    /// too.
    pub(crate) fn remove_messages(&mut self, agent_id: Option<&str>) {
        let of_agent =
            |stored: &Stored| agent_id.is_none_or(|agent_id| stored.message.agent_id == agent_id);
        let numbers: Vec<u64> = self
            .messages
            .iter()
            .filter(|(_, stored)| of_agent(stored))
            .map(|(&number, _)| number)
            .collect();
        for number in numbers {
            self.remove_message(number);
        }
    }

    fn remove_message(&mut self, number: u64) {
        self.settled.remove(&number);
        self.with_dead.remove(&number);
        let Some(stored) = self.messages.remove(&number) else { return };
        let message = stored.message;
        self.message_numbers.remove(&message.message_id);
        self.change(|_| Change::delete(Table::Messages, number));
        for route in &message.routes {
            let number = |id: &String| id.split_once('-').and_then(|(_, id)| id.parse().ok());
            if let Some(delivery) = route.delivery_id.as_ref().and_then(number) {
                self.remove_delivery(delivery);
            }
            for outbox in route.outbox_ids.iter().filter_map(number) {
                self.outbox.remove(&outbox);
                self.change(|_| Change::delete(Table::Outbox, outbox));
            }
        }
        self.removed_keys.push(message.s3_key.clone());
        self.happened(Kind::MessageRemoved, &message.agent_id, |event| {
            event.message_id = Some(message.message_id.clone());
        });
    }

    fn remove_delivery(&mut self, number: u64) {
        let Some(delivery) = self.deliveries.remove(&number) else { return };
        if delivery.state == DeliveryState::Pending {
            self.pending = self.pending.saturating_sub(1);
            self.schedule.remove(&Lane::of(&delivery), number);
        }
        self.change(|_| Change::delete(Table::Deliveries, number));
    }
}

/// Messages that arrived before this time are too old.
fn deadline(settings: &Settings, now: Time) -> Option<Time> {
    let age = jiff::SignedDuration::try_from(settings.max_age?).ok()?;
    now.checked_sub(age).ok()
}
