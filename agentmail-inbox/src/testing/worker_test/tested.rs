use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agentmail_receive::Delivery;
use agentmail_verify::{Event, Secret, Signer, UnixTime};
use tokio::time;

use crate::{
    filter::Filter,
    inbox::Inbox,
    message::Message,
    row::Row,
    state::State,
    store::{InboxStore, Page, Stored},
    testing::fixture::StoreFixture,
};

/// An inbox, and its store for the fixture.
pub(super) struct Tested<S> {
    pub(super) inbox: Inbox,
    pub(super) store: Arc<S>,
}

impl<S: InboxStore> Tested<S> {
    pub(super) async fn new<F: StoreFixture<Store = S>>(fixture: &mut F) -> Self {
        let store = Arc::new(fixture.empty_store().await);
        Self { inbox: Inbox::new(Arc::clone(&store)), store }
    }

    pub(super) async fn receive(&self, body: &str) -> Stored {
        self.inbox.store(&delivery(body)).await.expect("the store works")
    }

    pub(super) async fn rows(&self) -> Vec<Row> {
        self.inbox.list(Filter::new(), Page::first(1_000)).await.expect("the store works")
    }

    pub(super) async fn states(&self) -> Vec<State> {
        self.rows().await.into_iter().map(|row| row.state).collect()
    }
}

pub(super) fn delivery(body: &str) -> Delivery {
    let secret = Secret::new("whsec_of_this_test").expect("it is not empty");
    Delivery::sign(&Signer::new(secret), UnixTime::now(), body.to_owned())
}

pub(super) fn mail(agent_id: &str, message_id: &str) -> String {
    format!(
        r#"{{"type":"mail.received","agent_id":"{agent_id}","message_id":"{message_id}",
            "subject":"Quarterly"}}"#
    )
}

/// The ids of the messages that were worked on, in order.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn add(&self, message: &Message) {
        let id = match message.event() {
            Event::MailReceived(mail) => mail.message_id.clone(),
            other => other.kind().to_owned(),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(id);
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Waits until a condition is true, without a time limit.
pub(super) async fn until(mut holds: impl AsyncFnMut() -> bool) {
    while !holds().await {
        time::sleep(Duration::from_millis(5)).await;
    }
}
