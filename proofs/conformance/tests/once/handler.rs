//! A handler whose behaviour a test sets for each message, and that counts its runs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use tokio::sync::watch;

/// What the handler does in one run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Action {
    #[default]
    Succeed,
    /// Responds with this status.
    Respond(u16),
    Panic,
    /// Waits until [`TestHandler::unblock`] is called.
    Wait,
    /// Blocks its thread for this time.
    Block(Duration),
}

#[derive(Clone, Default)]
pub(crate) struct TestHandler {
    state: Arc<Mutex<State>>,
    unblocked: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    actions: HashMap<String, Vec<Action>>,
    begun: HashMap<String, usize>,
    ended: HashMap<String, usize>,
}

impl TestHandler {
    /// Sets what the handler does in the next runs of a message, in order. Later runs succeed.
    pub(crate) fn set_actions(&self, message: &str, actions: &[Action]) {
        let actions = actions.iter().rev().copied().collect();
        self.state.lock().unwrap().actions.insert(message.into(), actions);
    }

    pub(crate) async fn handle(&self, message: &str) -> u16 {
        let action = {
            let mut state = self.state.lock().unwrap();
            *state.begun.entry(message.into()).or_default() += 1;
            state.actions.get_mut(message).and_then(Vec::pop).unwrap_or_default()
        };
        match action {
            Action::Succeed | Action::Respond(_) => {}
            Action::Panic => panic!("the test set this action"),
            Action::Wait => drop(self.unblocked.subscribe().wait_for(|unblocked| *unblocked).await),
            Action::Block(time) => thread::sleep(time),
        }
        *self.state.lock().unwrap().ended.entry(message.into()).or_default() += 1;
        if let Action::Respond(status) = action { status } else { 200 }
    }

    pub(crate) fn unblock(&self) {
        self.unblocked.send_replace(true);
    }

    /// Returns how often the handler has begun to run for a message.
    pub(crate) fn begun(&self, message: &str) -> usize {
        self.state.lock().unwrap().begun.get(message).copied().unwrap_or_default()
    }

    /// Returns how often the handler has run to its end for a message.
    pub(crate) fn ended(&self, message: &str) -> usize {
        self.state.lock().unwrap().ended.get(message).copied().unwrap_or_default()
    }
}

/// Waits until the condition is true, without a time limit.
pub(crate) fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_millis(5));
    }
}
