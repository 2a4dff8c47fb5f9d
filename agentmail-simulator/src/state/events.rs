use crate::{
    record::{Event, Kind},
    settings::Settings,
    state::State,
    storage::{Change, Table},
    time::now,
};

/// Events after an id.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) events: Vec<Event>,
    /// The id to continue after.
    pub(crate) last: u64,
    /// Whether events between are no longer kept.
    pub(crate) gap: bool,
}

impl State {
    /// Records an event.
    pub(super) fn happened(
        &mut self,
        kind: Kind,
        agent_id: &str,
        details: impl FnOnce(&mut Event),
    ) {
        self.last_event += 1;
        let mut event = Event {
            id: self.last_event,
            at: now(),
            kind,
            agent_id: agent_id.to_owned(),
            message_id: None,
            delivery_id: None,
            state: None,
            attempt: None,
            fault: None,
            status: None,
        };
        details(&mut event);
        self.change(|_| Change::put(Table::Events, event.id, &event));
        self.events.push_back(event);
        while self.events.len() > Settings::EVENTS
            && let Some(old) = self.events.pop_front()
        {
            self.change(|_| Change::delete(Table::Events, old.id));
        }
    }

    pub(crate) fn last_event(&self) -> u64 {
        self.last_event
    }

    /// Returns events with a greater id, at most `limit`: those of an agent, or all.
    pub(crate) fn events_after(&self, id: u64, agent_id: Option<&str>, limit: usize) -> Page {
        let oldest = self.events.front().map_or(self.last_event + 1, |event| event.id);
        // An id from the future is that of a simulator that kept nothing on disk.
        let gap = id.saturating_add(1) < oldest || id > self.last_event;
        let start = self.events.partition_point(|event| !gap && event.id <= id);
        let matching: Vec<Event> = self
            .events
            .iter()
            .skip(start)
            .filter(|event| agent_id.is_none_or(|agent_id| event.agent_id == agent_id))
            .take(limit)
            .cloned()
            .collect();
        let last = match matching.last() {
            Some(event) if matching.len() == limit => event.id,
            _ => self.last_event,
        };
        Page { events: matching, last, gap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(page: &Page) -> Vec<u64> {
        page.events.iter().map(|event| event.id).collect()
    }

    #[test]
    fn events_continue_after_an_id() {
        let mut state = State::new(false);
        for agent_id in ["a", "b", "a", "a"] {
            state.happened(Kind::FaultsChanged, agent_id, |_| {});
        }

        let page = state.events_after(1, None, 2);
        assert_eq!((ids(&page), page.last, page.gap), (vec![2, 3], 3, false));
        let page = state.events_after(1, Some("a"), 10);
        assert_eq!((ids(&page), page.last, page.gap), (vec![3, 4], 4, false));
        let page = state.events_after(4, None, 10);
        assert_eq!((ids(&page), page.last, page.gap), (vec![], 4, false));
    }

    #[test]
    fn an_id_that_is_not_kept_is_a_gap() {
        let mut state = State::new(false);
        for _ in 0..Settings::EVENTS + 5 {
            state.happened(Kind::FaultsChanged, "a", |_| {});
        }
        assert_eq!(state.events.len(), Settings::EVENTS);

        let page = state.events_after(5, None, 1);
        assert_eq!((ids(&page), page.gap), (vec![6], false));
        let page = state.events_after(4, None, 1);
        assert_eq!((ids(&page), page.gap), (vec![6], true));
        let page = state.events_after(u64::MAX, None, 1);
        assert_eq!((ids(&page), page.gap), (vec![6], true), "an id of another run");
    }
}
