use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use crate::{settings::Settings, state::Lane};

/// Which deliveries wait for an attempt, and how many attempts run.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    lanes: HashMap<Lane, Queue>,
    running: usize,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeSet<(Instant, u64)>,
    due: HashMap<u64, Instant>,
    /// Deliveries that wait until another one of the lane has been sent.
    held: BTreeSet<u64>,
    running: usize,
}

impl Schedule {
    pub(crate) fn add(&mut self, lane: Lane, id: u64, due: Instant) {
        self.lanes.entry(lane).or_default().add(id, due);
    }

    /// Adds a delivery that is due at this time, or earlier if another one of the lane was sent.
    pub(crate) fn hold(&mut self, lane: Lane, id: u64, due: Instant) {
        let queue = self.lanes.entry(lane).or_default();
        queue.add(id, due);
        queue.held.insert(id);
    }

    /// Removes a delivery that waits. One whose attempt runs is not affected.
    pub(crate) fn remove(&mut self, lane: &Lane, id: u64) {
        if let Some(queue) = self.lanes.get_mut(lane) {
            queue.take(id);
            self.forget_if_idle(lane);
        }
    }

    /// Takes the deliveries that are due, as far as the limits allow. Each lane gets one in turn.
    pub(crate) fn start(&mut self, now: Instant) -> Vec<(Lane, u64)> {
        let mut started = Vec::new();
        loop {
            let before = started.len();
            for (lane, queue) in &mut self.lanes {
                if self.running < Settings::AT_ONCE
                    && queue.running < Settings::AT_ONCE_PER_WEBHOOK
                    && let Some(&(due, id)) = queue.waiting.first()
                    && due <= now
                {
                    queue.take(id);
                    queue.running += 1;
                    self.running += 1;
                    started.push((lane.clone(), id));
                }
            }
            if started.len() == before {
                return started;
            }
        }
    }

    /// Records that an attempt has ended. What was held until then is due.
    pub(crate) fn finished(&mut self, lane: &Lane, now: Instant) {
        self.running = self.running.saturating_sub(1);
        if let Some(queue) = self.lanes.get_mut(lane) {
            queue.running = queue.running.saturating_sub(1);
            for id in std::mem::take(&mut queue.held) {
                queue.take(id);
                queue.add(id, now);
            }
            self.forget_if_idle(lane);
        }
    }

    /// Returns when the next delivery is due, among those that a limit does not stop.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        if self.running >= Settings::AT_ONCE {
            return None;
        }
        self.lanes
            .values()
            .filter(|queue| queue.running < Settings::AT_ONCE_PER_WEBHOOK)
            .filter_map(|queue| queue.waiting.first().map(|&(due, _)| due))
            .min()
    }

    fn forget_if_idle(&mut self, lane: &Lane) {
        if self.lanes.get(lane).is_some_and(|it| it.running == 0 && it.waiting.is_empty()) {
            self.lanes.remove(lane);
        }
    }
}

impl Queue {
    fn add(&mut self, id: u64, due: Instant) {
        self.waiting.insert((due, id));
        self.due.insert(id, due);
    }

    fn take(&mut self, id: u64) {
        self.held.remove(&id);
        if let Some(due) = self.due.remove(&id) {
            self.waiting.remove(&(due, id));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn start(schedule: &mut Schedule, now: Instant) -> Vec<u64> {
        schedule.start(now).into_iter().map(|(_, id)| id).collect()
    }

    fn lane(rule_id: &str) -> Lane {
        Lane { agent_id: "my-agent".to_owned(), rule_id: Some(rule_id.to_owned()) }
    }

    #[test]
    fn a_lane_has_a_limit_that_does_not_stop_another_lane() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        let limit = Settings::AT_ONCE_PER_WEBHOOK;
        for id in 0..100 {
            schedule.add(lane("slow"), id, now);
        }
        assert_eq!(start(&mut schedule, now).len(), limit);
        assert_eq!(schedule.next_due(), None, "the lane is full");

        schedule.add(lane("quick"), 100, now);
        assert_eq!(start(&mut schedule, now), [100]);

        schedule.finished(&lane("slow"), now);
        assert_eq!(start(&mut schedule, now).len(), 1);
    }

    #[test]
    fn a_held_delivery_follows_the_next_one_of_its_lane() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        let later = now + Duration::from_secs(5);
        schedule.hold(lane("a"), 1, later);
        schedule.add(lane("a"), 2, now);

        assert_eq!(start(&mut schedule, now), [2]);
        assert!(start(&mut schedule, now).is_empty());
        schedule.finished(&lane("a"), now);
        assert_eq!(start(&mut schedule, now), [1]);
    }

    #[test]
    fn a_held_delivery_is_due_by_itself_if_no_other_follows() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        let later = now + Duration::from_secs(5);
        schedule.hold(lane("a"), 1, later);

        assert_eq!(schedule.next_due(), Some(later));
        assert_eq!(start(&mut schedule, later), [1]);
    }

    #[test]
    fn idle_lanes_are_forgotten() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add(lane("a"), 1, now);
        schedule.add(lane("b"), 2, now);
        schedule.remove(&lane("b"), 2);
        assert_eq!(start(&mut schedule, now), [1]);
        schedule.finished(&lane("a"), now);

        assert!(schedule.lanes.is_empty());
        assert_eq!(schedule.running, 0);
    }
}
