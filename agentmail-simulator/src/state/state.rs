use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use crate::{
    error::Problem,
    fault::{Fault, FaultPlan},
    record::{
        Account, Delivery, Event, Kind, Message, OutboxMail, Rule, State as DeliveryState, Webhook,
    },
    state::{Lane, Sent, schedule::Schedule},
    storage::{Change, Table},
    time::now,
};

/// Everything that the simulator knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<String, Account>,
    /// The agent of each token.
    pub(super) tokens: HashMap<String, String>,
    pub(crate) messages: BTreeMap<u64, Stored>,
    pub(super) message_numbers: HashMap<String, u64>,
    pub(crate) deliveries: BTreeMap<u64, Arc<Delivery>>,
    pub(crate) outbox: BTreeMap<u64, Arc<OutboxMail>>,
    pub(super) events: VecDeque<Event>,
    /// The greatest id of each kind that was given.
    pub(super) last_event: u64,
    pub(super) last_message: u64,
    pub(super) last_delivery: u64,
    pub(super) last_outbox: u64,
    pub(crate) schedule: Schedule,
    /// The newest genuine request of each lane, for the fault `replayed`.
    pub(super) last_sent: HashMap<Lane, Sent>,
    pub(crate) pending: usize,
    /// Messages with no pending delivery: without dead letters, and with some.
    pub(super) settled: BTreeSet<u64>,
    pub(super) with_dead: BTreeSet<u64>,
    /// Whether changes are collected for a file.
    pub(super) is_durable: bool,
    changes: Vec<Change>,
    /// The keys of mails to remove from the bucket.
    pub(super) removed_keys: Vec<String>,
}

/// A message, and how many of its deliveries are in which state.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) message: Arc<Message>,
    pub(super) pending: usize,
    pub(super) dead: usize,
}

impl State {
    pub(crate) fn new(is_durable: bool) -> Self {
        Self { is_durable, ..Self::default() }
    }

    /// Takes what has changed since the last call, for the file.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Takes the keys of the mails that no message refers to any more.
    pub(crate) fn take_removed_keys(&mut self) -> Vec<String> {
        std::mem::take(&mut self.removed_keys)
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&Self) -> Change) {
        if self.is_durable {
            let change = change(self);
            self.changes.push(change);
        }
    }

    pub(crate) fn account(&self, agent_id: &str) -> Result<&Account, Problem> {
        self.accounts.get(agent_id).ok_or_else(|| Problem::not_found("agent"))
    }

    pub(crate) fn agent_of(&self, token: &str) -> Option<&str> {
        self.tokens.get(token).map(String::as_str)
    }

    pub(crate) fn add_account(&mut self, account: Account) {
        let agent_id = account.agent_id.clone();
        self.tokens.insert(account.token.clone(), agent_id.clone());
        self.change(|_| Change::put(Table::Agents, &agent_id, &account));
        self.accounts.insert(agent_id.clone(), account);
        self.happened(Kind::AgentCreated, &agent_id, |_| {});
    }

    /// Changes what is configured for an agent.
    pub(super) fn configure<T>(
        &mut self,
        agent_id: &str,
        kind: Kind,
        change: impl FnOnce(&mut Account) -> T,
    ) -> Result<T, Problem> {
        let account = self.accounts.get_mut(agent_id).ok_or_else(|| Problem::not_found("agent"))?;
        let result = change(account);
        let agent_id = account.agent_id.clone();
        self.save_account(&agent_id);
        self.happened(kind, &agent_id, |_| {});
        Ok(result)
    }

    pub(super) fn save_account(&mut self, agent_id: &str) {
        if self.is_durable
            && let Some(account) = self.accounts.get(agent_id)
        {
            self.changes.push(Change::put(Table::Agents, agent_id, account));
        }
    }

    /// Sets the webhook. Returns the secret if it is new: at the first setup, and at a rotation.
    pub(crate) fn set_webhook(
        &mut self,
        agent_id: &str,
        url: Option<String>,
        enabled: Option<bool>,
        new_secret: Option<String>,
        first_secret: impl FnOnce() -> String,
    ) -> Result<(Webhook, Option<String>), Problem> {
        if self.account(agent_id)?.webhook.is_none() && url.is_none() {
            return Err(Problem::field("url", "is missing: the agent has no webhook yet"));
        }
        self.configure(agent_id, Kind::WebhookChanged, |account| {
            let shown = match (&account.webhook, new_secret) {
                (Some(_), None) => None,
                (_, Some(secret)) => Some(secret),
                (None, None) => Some(first_secret()),
            };
            let former = account.webhook.take();
            let (old_url, was_enabled, old_secret) = match former {
                Some(it) => (Some(it.url), it.enabled, Some(it.secret)),
                None => (None, true, None),
            };
            let secret = match (&shown, old_secret) {
                (Some(new), old) => {
                    if old.is_some() {
                        account.rotated_at = Some(now());
                    }
                    account.former_secret = old.or_else(|| account.former_secret.take());
                    new.clone()
                }
                (None, Some(old)) => old,
                (None, None) => String::new(), // not reached: without a webhook, a secret is shown
            };
            let webhook = Webhook {
                url: url.or(old_url).unwrap_or_default(),
                enabled: enabled.unwrap_or(was_enabled),
                secret,
            };
            account.webhook = Some(webhook.clone());
            (webhook, shown)
        })
    }

    pub(crate) fn delete_webhook(&mut self, agent_id: &str) -> Result<(), Problem> {
        if self.account(agent_id)?.webhook.is_none() {
            return Err(Problem::not_found("webhook"));
        }
        self.configure(agent_id, Kind::WebhookChanged, |account| {
            account.former_secret = account.webhook.take().map(|webhook| webhook.secret);
        })
    }

    pub(crate) fn set_rules(&mut self, agent_id: &str, rules: Vec<Rule>) -> Result<(), Problem> {
        self.configure(agent_id, Kind::NotificationsChanged, |account| account.rules = rules)
    }

    /// Adds a plan, or replaces the plan for the same fault.
    pub(crate) fn set_fault(&mut self, agent_id: &str, plan: FaultPlan) -> Result<(), Problem> {
        self.configure(agent_id, Kind::FaultsChanged, |account| {
            account.faults.retain(|other| other.fault() != plan.fault());
            account.faults.push(plan);
        })
    }

    /// Removes the plan of one fault. Returns whether there was one.
    pub(crate) fn clear_fault(&mut self, agent_id: &str, fault: Fault) -> Result<bool, Problem> {
        let is_planned = |plan: &FaultPlan| plan.fault() == fault;
        if !self.account(agent_id)?.faults.iter().any(is_planned) {
            return Ok(false);
        }
        self.configure(agent_id, Kind::FaultsChanged, |account| {
            account.faults.retain(|plan| !is_planned(plan));
            true
        })
    }

    pub(crate) fn clear_faults(&mut self, agent_id: &str) -> Result<(), Problem> {
        self.configure(agent_id, Kind::FaultsChanged, |account| account.faults.clear())
    }

    pub(crate) fn message(&self, message_id: &str) -> Option<&Arc<Message>> {
        let number = self.message_numbers.get(message_id)?;
        self.messages.get(number).map(|stored| &stored.message)
    }

    /// Returns the number by which messages are ordered.
    pub(crate) fn number_of(&self, message_id: &str) -> Option<u64> {
        self.message_numbers.get(message_id).copied()
    }

    pub(crate) fn delivery(&self, delivery_id: &str) -> Option<(u64, &Arc<Delivery>)> {
        let number = delivery_id.strip_prefix("dlv-")?.parse().ok()?;
        let delivery = self.deliveries.get(&number)?;
        (delivery.delivery_id == delivery_id).then_some((number, delivery))
    }

    /// Counts one delivery of a message from one state to another.
    pub(super) fn count(
        &mut self,
        message_id: &str,
        from: Option<DeliveryState>,
        to: DeliveryState,
    ) {
        let is_pending = |state| state == DeliveryState::Pending;
        self.pending = self.pending + usize::from(is_pending(to))
            - usize::from(from.is_some_and(is_pending)).min(self.pending);
        let Some(&number) = self.message_numbers.get(message_id) else { return };
        let Some(stored) = self.messages.get_mut(&number) else { return };
        for (state, count) in
            [(DeliveryState::Pending, &mut stored.pending), (DeliveryState::Dead, &mut stored.dead)]
        {
            *count = (*count + usize::from(to == state))
                .saturating_sub(usize::from(from == Some(state)));
        }
        self.sort_by_state(number);
    }

    /// Puts a message among those that retention may remove, or takes it from them.
    pub(super) fn sort_by_state(&mut self, number: u64) {
        self.settled.remove(&number);
        self.with_dead.remove(&number);
        match self.messages.get(&number) {
            Some(Stored { pending: 0, dead: 0, .. }) => self.settled.insert(number),
            Some(Stored { pending: 0, .. }) => self.with_dead.insert(number),
            _ => false,
        };
    }

    pub(super) fn save_delivery(&mut self, number: u64) {
        if self.is_durable
            && let Some(delivery) = self.deliveries.get(&number)
        {
            self.changes.push(Change::put(Table::Deliveries, number, &**delivery));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let mut state = State::new(true);
        state.add_account(Account::new("my-agent".to_owned(), "token".to_owned()));
        state
    }

    #[test]
    fn a_secret_is_shown_at_the_first_setup_and_at_a_rotation() {
        let mut state = state();
        let first = || "first".to_owned();
        let url = || Some("http://127.0.0.1:1/".to_owned());
        let mut set = |url, rotate: Option<&str>| {
            state.set_webhook("my-agent", url, None, rotate.map(str::to_owned), first).unwrap().1
        };

        assert_eq!(set(url(), None).as_deref(), Some("first"));
        assert_eq!(set(url(), None), None);
        assert_eq!(set(None, Some("second")).as_deref(), Some("second"));
        assert_eq!(set(None, None), None);
        let account = &state.accounts["my-agent"];
        assert_eq!(account.secret(), Some("second"));
        assert_eq!(account.former_secret.as_deref(), Some("first"));
    }

    #[test]
    fn a_new_setup_after_a_removal_shows_a_new_secret() {
        let mut state = state();
        let url = || Some("http://127.0.0.1:1/".to_owned());
        state.set_webhook("my-agent", url(), None, None, || "first".to_owned()).unwrap();

        state.delete_webhook("my-agent").unwrap();
        assert_eq!(state.delete_webhook("my-agent").unwrap_err().status, 404);
        let set = state.set_webhook("my-agent", url(), None, None, || "second".to_owned()).unwrap();

        assert_eq!(set.1.as_deref(), Some("second"));
        assert_eq!(state.accounts["my-agent"].former_secret.as_deref(), Some("first"));
    }

    #[test]
    fn the_first_setup_needs_a_url() {
        let refused = state().set_webhook("my-agent", None, None, None, String::new).unwrap_err();

        assert_eq!(refused.field.as_deref(), Some("url"));
    }

    #[test]
    fn an_id_that_only_looks_like_that_of_a_delivery_finds_none() {
        let state = state();
        for id in ["", "dlv-", "dlv-1", "1", "dlv-99999999999999999999999", "dlv-+1"] {
            assert!(state.delivery(id).is_none(), "{id}");
        }
    }
}
