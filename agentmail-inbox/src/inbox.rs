use std::{fmt, sync::Arc, time::Duration};

use agentmail_receive::{Delivery, MessageKey, Refusal, Rejection};
use agentmail_verify::Event;

use crate::{
    any_store::AnyStore,
    config::InboxConfig,
    error::InboxError,
    filter::Filter,
    lease::RowId,
    message::Message,
    new_message::NewMessage,
    observer::StoreOp,
    row::{Row, RowBody},
    sampler::Sampler,
    state::{Counts, State},
    store::{BoxError, InboxStore, Page, Pruning, Stored},
    telemetry::{self, InboxStats, Telemetry},
    text,
    worker::Worker,
};

/// The messages in a store, from their arrival until long after their work is done.
///
/// A clone is a reference count.
#[derive(Clone)]
pub struct Inbox {
    store: Arc<dyn AnyStore>,
    telemetry: Arc<Telemetry>,
    sampler: Arc<Sampler>,
}

impl Inbox {
    /// Creates an inbox over a store.
    pub fn new(store: impl InboxStore) -> Self {
        Self::with_config(store, InboxConfig::default())
    }

    /// Creates an inbox over a store, with these settings.
    pub fn with_config<S: InboxStore>(store: S, config: InboxConfig) -> Self {
        Self {
            store: Arc::new(store),
            telemetry: Arc::new(Telemetry::new(config.observers().clone(), S::NAME)),
            sampler: Arc::new(Sampler::new(config.sample_interval())),
        }
    }

    /// Stores the message of a delivery, unless the inbox has it already. When this returns `Ok`,
    /// the message is on disk: respond with 200.
    ///
    /// The `Delivery` of either adapter derefs to this type, and the error converts into its
    /// `WebhookRejection`.
    ///
    /// # Errors
    ///
    /// - 422: the body is not an [`Event`].
    /// - 503 with the code `inbox_unavailable`: the message could not be stored. The service may
    ///   deliver it again.
    ///
    /// The refusal is logged.
    pub async fn store(&self, delivery: &Delivery) -> Result<Stored, Rejection> {
        let message = new_message(delivery)?;
        self.store_logged(delivery, message).await
    }

    /// Stores the message of a delivery together with the trace of its request, in the form of the
    /// header `traceparent`. The span of each attempt has it as the field `trace_parent`.
    ///
    /// # Errors
    ///
    /// Those of [`store`](Self::store).
    pub async fn store_traced(
        &self,
        delivery: &Delivery,
        trace_parent: &str,
    ) -> Result<Stored, Rejection> {
        let message = new_message(delivery)?.with_trace_parent(trace_parent);
        self.store_logged(delivery, message).await
    }

    /// Stores a message that did not arrive as a delivery, for example one from a queue that you
    /// trust.
    ///
    /// # Errors
    ///
    /// The store failed, or did not respond within 5 seconds.
    pub async fn store_message(&self, message: NewMessage) -> Result<Stored, InboxError> {
        let key = message.key();
        self.start_sampling();
        let stored = Arc::clone(&self.store).store(message);
        let stored = self.telemetry.observed(StoreOp::Store, stored).await;
        match &stored {
            Ok(stored) => self.telemetry.stored(key, *stored),
            Err(error) => self.telemetry.unavailable(key, error),
        }
        stored
    }

    async fn store_logged(
        &self,
        delivery: &Delivery,
        message: NewMessage,
    ) -> Result<Stored, Rejection> {
        self.store_message(message).await.map_err(|_| {
            let rejection = delivery.refuse(Refusal::InboxUnavailable);
            rejection.log();
            rejection
        })
    }

    /// Creates a worker: it calls `work` with each message that is due.
    ///
    /// `work` runs at least once for each message. It runs again after an error, and after a crash
    /// between its effect and the record of it. So make the effect safe to repeat, or use
    /// [`Message::finish_in`].
    ///
    /// The text of an error is logged and stored: keep the mail's content out of it.
    /// [`Retry`](crate::Retry) and [`GiveUp`](crate::GiveUp) are errors that say what happens next.
    pub fn worker<W, F, E>(&self, work: W) -> Worker
    where
        W: Fn(Message) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Worker::new(self.clone(), work)
    }

    /// Returns how often each outcome has occurred in this process.
    #[must_use]
    pub fn stats(&self) -> InboxStats {
        self.telemetry.stats()
    }

    /// Counts the messages in each state. The more messages there are, the longer it takes.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn counts(&self) -> Result<Counts, InboxError> {
        Arc::clone(&self.store).counts().await
    }

    /// Returns for how long the message that has been due for the longest time has been due.
    ///
    /// `None`: no message is due. A value that grows means that workers are too slow, or have
    /// ended: alert on it.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn oldest_due(&self) -> Result<Option<Duration>, InboxError> {
        Arc::clone(&self.store).oldest_due().await
    }

    /// Returns the state of the message with each key, or `None` if the inbox does not have it.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn states(&self, keys: Vec<MessageKey>) -> Result<Vec<Option<State>>, InboxError> {
        Arc::clone(&self.store).states(keys).await
    }

    /// Lists messages, in the order of their ids.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn list(&self, filter: Filter, page: Page) -> Result<Vec<Row>, InboxError> {
        Arc::clone(&self.store).list(filter, page).await
    }

    /// Returns a message with its body, or `None` if there is no such message.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn show(&self, id: RowId) -> Result<Option<RowBody>, InboxError> {
        Arc::clone(&self.store).show(id).await
    }

    /// Lets messages be tried again at once, with all their attempts. Returns how many.
    ///
    /// It applies to messages that are waiting, done or dead, also while workers run. A message
    /// that a worker has taken is left alone. The row and the log say `by` whom it was redriven.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn redrive(&self, filter: Filter, by: &str) -> Result<u64, InboxError> {
        let by = text::id(by);
        let messages = Arc::clone(&self.store).redrive(filter, by.clone()).await?;
        telemetry::redriven(messages, &by);
        Ok(messages)
    }

    /// Makes waiting messages dead, so that they are not tried again. Returns how many.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn give_up(&self, filter: Filter, reason: &str) -> Result<u64, InboxError> {
        let reason = text::reason(reason);
        let messages = Arc::clone(&self.store).give_up(filter, reason.clone()).await?;
        telemetry::given_up(messages, &reason);
        Ok(messages)
    }

    /// Deletes messages that are done, and dead ones if `pruning` says so. Returns how many.
    ///
    /// A copy of a deleted message that arrives afterwards is new. A worker prunes once an hour.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn prune(&self, pruning: Pruning) -> Result<u64, InboxError> {
        let mut all: u64 = 0;
        loop {
            let deleted = Arc::clone(&self.store).prune(pruning).await?;
            all = all.saturating_add(deleted);
            if deleted == 0 {
                break;
            }
        }
        if all > 0 {
            telemetry::pruned(all);
        }
        Ok(all)
    }

    /// Starts to report to the observers what the inbox contains. Needs a runtime.
    pub(crate) fn start_sampling(&self) {
        self.sampler.start(&self.store, &self.telemetry);
    }

    pub(crate) fn store_handle(&self) -> Arc<dyn AnyStore> {
        Arc::clone(&self.store)
    }

    pub(crate) fn telemetry(&self) -> Arc<Telemetry> {
        Arc::clone(&self.telemetry)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Creates the message of a delivery.
///
/// # Errors
///
/// 422: the body is not an event. The refusal is logged.
fn new_message(delivery: &Delivery) -> Result<NewMessage, Rejection> {
    let event: Event = delivery.json().inspect_err(Rejection::log)?;
    let message = NewMessage::new(delivery.message_key(), event.kind(), delivery.body().clone())
        .with_fresh_for(delivery.fresh_for());
    let message = match delivery.tenant_agent_id() {
        Some(agent_id) => message.with_agent_id(agent_id),
        None => message,
    };
    Ok(match event {
        Event::MailReceived(mail) => {
            message.with_agent_id(&mail.agent_id).with_message_id(&mail.message_id)
        }
        _ => message,
    })
}
