use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    error::Problem,
    fault::AttemptKey,
    record::{Attempt, Delivery, KeptSignature, Kind, State as DeliveryState},
    retry::Retry,
    state::{Lane, Sent, State},
    time::{Time, now},
};

/// The end of an attempt.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) attempt: Attempt,
    /// What the next attempts repeat, with `--keep-timestamp`.
    pub(crate) kept: Option<KeptSignature>,
    /// The request, if it was genuine.
    pub(crate) sent: Option<Sent>,
}

impl State {
    /// Records an attempt. The delivery is settled, or another attempt is scheduled.
    pub(crate) fn finish(&mut self, number: u64, lane: &Lane, finished: Finished, retry: &Retry) {
        self.schedule.finished(lane, Instant::now());
        // It was removed meanwhile.
        if !self.deliveries.contains_key(&number) {
            return;
        }
        if let Some(sent) = finished.sent {
            self.last_sent.insert(lane.clone(), sent);
        }
        let (delivered, failure) = (finished.attempt.is_delivered(), finished.attempt.failure());
        self.update(number, Kind::DeliveryAttempted, |delivery| {
            delivery.record(finished.attempt);
            delivery.kept = delivery.kept.take().or(finished.kept);
            if delivered {
                settle(delivery, DeliveryState::Delivered, None);
            } else if delivery.attempts_in_round >= retry.attempts() {
                let attempts = delivery.attempts_in_round;
                let reason = match attempts {
                    1 => format!("the attempt failed: {failure}"),
                    _ => format!("{attempts} attempts failed; the last one: {failure}"),
                };
                settle(delivery, DeliveryState::Dead, Some(reason));
            } else {
                let key = AttemptKey {
                    agent_id: &delivery.agent_id,
                    mail: delivery.message_number,
                    rule_id: delivery.rule_id.as_deref(),
                    number: delivery.attempts_made,
                };
                let pause = retry.pause_after(delivery.attempts_in_round, key.draw("pause", 0));
                delivery.next_attempt_at = after(pause);
                return Some(pause);
            }
            None
        });
    }

    /// Makes a dead letter of a delivery that has no URL any more. Its attempt had been taken.
    pub(crate) fn give_up(&mut self, number: u64, lane: &Lane) {
        self.schedule.finished(lane, Instant::now());
        self.update(number, Kind::DeliveryAttempted, |delivery| {
            let reason = "its rule or webhook was removed, or is not enabled".to_owned();
            settle(delivery, DeliveryState::Dead, Some(reason));
            None
        });
    }

    /// Sends a dead letter again, with all of its attempts.
    pub(crate) fn redrive(&mut self, number: u64) -> Result<Arc<Delivery>, Problem> {
        let delivery =
            self.deliveries.get(&number).ok_or_else(|| Problem::not_found("delivery"))?;
        if delivery.state != DeliveryState::Dead {
            let detail = "the delivery is not a dead letter";
            return Err(Problem::new(http::StatusCode::CONFLICT, detail));
        }
        self.update(number, Kind::DeliveryRedriven, |delivery| {
            delivery.state = DeliveryState::Pending;
            delivery.attempts_in_round = 0;
            delivery.redrives = delivery.redrives.saturating_add(1);
            delivery.reason = None;
            delivery.settled_at = None;
            delivery.next_attempt_at = Some(now());
            // A redrive is signed again, whatever the retries do.
            delivery.kept = None;
            Some(Duration::ZERO)
        });
        self.deliveries.get(&number).cloned().ok_or_else(|| Problem::not_found("delivery"))
    }

    /// Sends all dead letters of an agent again, or those of all agents. Returns how many.
    pub(crate) fn redrive_all(&mut self, agent_id: Option<&str>) -> usize {
        let is_dead = |delivery: &Delivery| {
            delivery.state == DeliveryState::Dead
                && agent_id.is_none_or(|agent_id| delivery.agent_id == agent_id)
        };
        let dead: Vec<u64> = self
            .deliveries
            .iter()
            .filter(|(_, delivery)| is_dead(delivery))
            .map(|(&number, _)| number)
            .collect();
        dead.into_iter().filter(|&number| self.redrive(number).is_ok()).count()
    }

    /// Changes a delivery. The closure returns the pause before the next attempt, if there is one.
    fn update(
        &mut self,
        number: u64,
        kind: Kind,
        change: impl FnOnce(&mut Delivery) -> Option<Duration>,
    ) {
        let Some(delivery) = self.deliveries.get_mut(&number) else { return };
        let delivery = Arc::make_mut(delivery);
        let (before, made) = (delivery.state, delivery.attempts_made);
        let pause = change(delivery);
        let (after, lane) = (delivery.state, Lane::of(delivery));
        let newest = delivery.attempts.last().filter(|_| delivery.attempts_made > made);
        let newest = newest.map(|it| (it.number, it.fault, it.status()));
        let (message_id, delivery_id) = (delivery.message_id.clone(), delivery.delivery_id.clone());
        if let Some(pause) = pause {
            self.schedule.add(lane.clone(), number, Instant::now() + pause);
        }
        self.count(&message_id, Some(before), after);
        self.save_delivery(number);
        self.happened(kind, &lane.agent_id, |event| {
            event.message_id = Some(message_id);
            event.delivery_id = Some(delivery_id);
            event.state = Some(after);
            if let Some((number, fault, status)) = newest {
                (event.attempt, event.fault, event.status) = (Some(number), fault, status);
            }
        });
    }
}

/// Returns the time after a pause, in whole milliseconds.
fn after(pause: Duration) -> Option<Time> {
    let milliseconds = i64::try_from(pause.as_millis()).ok()?;
    Time::from_millisecond(now().as_millisecond().checked_add(milliseconds)?).ok()
}

fn settle(delivery: &mut Delivery, state: DeliveryState, reason: Option<String>) {
    delivery.state = state;
    delivery.reason = reason;
    delivery.next_attempt_at = None;
    delivery.settled_at = Some(now());
}
