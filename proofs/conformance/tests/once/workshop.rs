//! A handler that does as it is told, and keeps count.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use tokio::sync::watch;

/// What the handler does with a message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Order {
    #[default]
    Succeed,
    /// Answers with another status than 200.
    Answer(u16),
    Panic,
    /// Waits until the gate is open.
    Wait,
    /// Blocks its thread.
    Block(Duration),
}

#[derive(Clone, Default)]
pub(crate) struct Workshop {
    state: Arc<Mutex<State>>,
    gate: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    orders: HashMap<String, Vec<Order>>,
    begun: HashMap<String, usize>,
    ended: HashMap<String, usize>,
}

impl Workshop {
    /// Tells what to do with the next runs of a message, the first one first. Further ones succeed.
    pub(crate) fn order(&self, message: &str, orders: &[Order]) {
        let orders = orders.iter().rev().copied().collect();
        self.state.lock().unwrap().orders.insert(message.into(), orders);
    }

    pub(crate) async fn handle(&self, message: &str) -> u16 {
        let order = {
            let mut state = self.state.lock().unwrap();
            *state.begun.entry(message.into()).or_default() += 1;
            state.orders.get_mut(message).and_then(Vec::pop).unwrap_or_default()
        };
        match order {
            Order::Succeed | Order::Answer(_) => {}
            Order::Panic => panic!("as ordered"),
            Order::Wait => drop(self.gate.subscribe().wait_for(|open| *open).await),
            Order::Block(time) => thread::sleep(time),
        }
        *self.state.lock().unwrap().ended.entry(message.into()).or_default() += 1;
        if let Order::Answer(status) = order { status } else { 200 }
    }

    pub(crate) fn open_the_gate(&self) {
        self.gate.send_replace(true);
    }

    /// Returns how often the handler began with a message.
    pub(crate) fn begun(&self, message: &str) -> usize {
        self.state.lock().unwrap().begun.get(message).copied().unwrap_or_default()
    }

    /// Returns how often it came to an end.
    pub(crate) fn ended(&self, message: &str) -> usize {
        self.state.lock().unwrap().ended.get(message).copied().unwrap_or_default()
    }
}

/// Waits for what will come about, however long it takes.
pub(crate) fn until(condition: impl Fn() -> bool) {
    while !condition() {
        thread::sleep(Duration::from_millis(5));
    }
}
