use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    error::Problem,
    fault::{AttemptKey, Fault},
    inbound::{Flags, Parsed, Payload},
    record::{Delivery, Kind, Message, OutboxMail, Route, State as DeliveryState},
    routing::{self, Decision, Facts},
    settings::Settings,
    state::{Lane, State, Stored},
    storage::{Bucket, Change, Table},
    time::Time,
};

/// How long the fault `reordered` holds a delivery if no other follows.
const HELD: Duration = Duration::from_secs(5);

/// A mail that is in the bucket.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) agent_id: String,
    pub(crate) message_id: String,
    pub(crate) at: Time,
    pub(crate) size: usize,
    pub(crate) parsed: Parsed,
    pub(crate) flags: Flags,
    pub(crate) s3_key: String,
}

impl State {
    /// Refuses mails while too many deliveries are pending.
    pub(crate) fn check_backlog(&self, settings: &Settings) -> Result<(), Problem> {
        if self.pending < settings.backlog {
            return Ok(());
        }
        Err(Problem::unavailable(format!(
            "{} deliveries are pending, which is the limit; try again when some are settled",
            self.pending
        )))
    }

    /// Stores a mail, and creates its deliveries.
    pub(crate) fn receive(
        &mut self,
        arrived: Arrived,
        settings: &Settings,
    ) -> Result<Arc<Message>, Problem> {
        self.check_backlog(settings)?;
        let agent_id = arrived.agent_id.clone();
        let account =
            self.accounts.get_mut(&agent_id).ok_or_else(|| Problem::not_found("agent"))?;
        account.mails += 1;
        let account = &*account;
        let mut message = message(&arrived, account.mails);
        let decisions = routing::route(account, &facts(&message));
        self.last_message += 1;
        let number = self.last_message;
        self.happened(Kind::MessageReceived, &agent_id, |event| {
            event.message_id = Some(message.message_id.clone());
        });
        let mut created = Vec::new();
        for decision in decisions {
            let route = self.follow(decision, &message, &mut created);
            message.routes.push(route);
        }
        let message = Arc::new(message);
        self.save_account(&agent_id);
        self.change(|_| Change::put(Table::Messages, number, &*message));
        self.message_numbers.insert(message.message_id.clone(), number);
        let stored = Stored { message: Arc::clone(&message), pending: 0, dead: 0 };
        self.messages.insert(number, stored);
        self.sort_by_state(number);
        for delivery in created {
            self.count(&message.message_id, None, DeliveryState::Pending);
            self.save_delivery(delivery);
        }
        Ok(message)
    }

    /// Creates what a rule leads to.
    fn follow(&mut self, decision: Decision, message: &Message, created: &mut Vec<u64>) -> Route {
        let delivery_id = decision.to_webhook.then(|| {
            let delivery = self.create_delivery(message, decision.rule_id.clone());
            created.push(delivery);
            format!("dlv-{delivery}")
        });
        let rule_id = decision.rule_id.clone().unwrap_or_default();
        let outbox_ids = decision.recipients.into_iter().map(|recipient| {
            self.last_outbox += 1;
            let mail = OutboxMail {
                outbox_id: format!("out-{}", self.last_outbox),
                agent_id: message.agent_id.clone(),
                message_id: message.message_id.clone(),
                rule_id: rule_id.clone(),
                at: message.received_at,
                recipient,
                sender: message.sender.clone(),
                subject: message.subject.clone(),
            };
            let outbox_id = mail.outbox_id.clone();
            self.change(|state| Change::put(Table::Outbox, state.last_outbox, &mail));
            self.outbox.insert(self.last_outbox, Arc::new(mail));
            self.happened(Kind::OutboxAdded, &message.agent_id, |event| {
                event.message_id = Some(message.message_id.clone());
            });
            outbox_id
        });
        Route {
            outbox_ids: outbox_ids.collect(),
            rule_id: decision.rule_id,
            matched: decision.matched,
            reason: decision.reason.map(str::to_owned),
            failed_filters: decision.failed_filters,
            delivery_id,
        }
    }

    fn create_delivery(&mut self, message: &Message, rule_id: Option<String>) -> u64 {
        self.last_delivery += 1;
        let number = self.last_delivery;
        let delivery = Delivery {
            delivery_id: format!("dlv-{number}"),
            agent_id: message.agent_id.clone(),
            message_id: message.message_id.clone(),
            message_number: message.number,
            rule_id,
            state: DeliveryState::Pending,
            created_at: message.received_at,
            next_attempt_at: Some(message.received_at),
            settled_at: None,
            reason: None,
            attempts_made: 0,
            attempts_in_round: 0,
            redrives: 0,
            attempts: Vec::new(),
            kept: None,
        };
        let (lane, now) = (Lane::of(&delivery), Instant::now());
        let first = AttemptKey {
            agent_id: &message.agent_id,
            mail: message.number,
            rule_id: delivery.rule_id.as_deref(),
            number: 1,
        };
        let plans = self.accounts.get(&message.agent_id).map(|account| &account.faults[..]);
        if first.fault(plans.unwrap_or_default()) == Some(Fault::Reordered) {
            self.schedule.hold(lane, number, now + HELD);
        } else {
            self.schedule.add(lane, number, now);
        }
        self.happened(Kind::DeliveryCreated, &message.agent_id, |event| {
            event.message_id = Some(message.message_id.clone());
            event.delivery_id = Some(delivery.delivery_id.clone());
            event.state = Some(DeliveryState::Pending);
        });
        self.deliveries.insert(number, Arc::new(delivery));
        number
    }
}

fn message(arrived: &Arrived, number: u64) -> Message {
    let Arrived { agent_id, message_id, at, size, parsed, flags, s3_key } = arrived;
    let payload =
        Payload { agent_id, message_id, at: *at, parsed, flags, s3_bucket: Bucket::NAME, s3_key };
    Message {
        message_id: message_id.clone(),
        agent_id: agent_id.clone(),
        number,
        received_at: *at,
        size: u64::try_from(*size).unwrap_or(u64::MAX),
        sender: parsed.sender.clone(),
        subject: parsed.subject.as_ref().map(|subject| subject.to_string_lossy()),
        sender_verified: flags.sender_verified,
        peer_trust_tier: flags.peer_trust_tier.clone(),
        traffic_type: flags.traffic_type.clone(),
        s3_bucket: Bucket::NAME.to_owned(),
        s3_key: s3_key.clone(),
        payload: payload.to_json(),
        routes: Vec::new(),
    }
}

fn facts(message: &Message) -> Facts<'_> {
    Facts {
        sender: message.sender.as_deref(),
        sender_verified: message.sender_verified,
        peer_trust_tier: message.peer_trust_tier.as_deref(),
        traffic_type: message.traffic_type.as_deref(),
    }
}
