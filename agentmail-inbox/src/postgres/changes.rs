//! Wakes up the workers of all processes when a message was stored.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, task::JoinHandle, time};
use tokio_postgres::{AsyncMessage, Config, Error as ClientError};

use super::{
    connections::{add_options, set_timeouts},
    tls::Tls,
};

/// The pause after a notification. A commit that notifies waits for all others that do.
const PAUSE: Duration = Duration::from_millis(50);
/// The pause before the next attempt to connect.
const RECOVERY: Duration = Duration::from_secs(1);

/// A connection that listens, and that notifies outside of the transactions that store.
///
/// Notifications only save time: workers also poll.
#[derive(Debug)]
pub(super) struct Changes {
    due: Arc<Notify>,
    announced: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Changes {
    pub(super) fn listen(mut config: Config, tls: Tls, deadline: Duration) -> Self {
        // A notification need not be on the disk.
        add_options(&mut config, deadline, "off");
        set_timeouts(&mut config, deadline);
        let (due, announced) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        let (to_wake, to_send) = (Arc::clone(&due), Arc::clone(&announced));
        let task = tokio::spawn(async move {
            loop {
                let ended = exchange(&config, &tls, &to_wake, &to_send).await;
                if let Err(error) = ended {
                    // The texts of the client do not contain the address.
                    tracing::debug!(target: "agentmail", %error, "inbox is not listening");
                }
                time::sleep(RECOVERY).await;
            }
        });
        Self { due, announced, task }
    }

    /// Says that this process has stored a message.
    pub(super) fn announce(&self) {
        self.wake();
        self.announced.notify_one();
    }

    /// Lets the workers of this process look for messages.
    pub(super) fn wake(&self) {
        wake(&self.due);
    }

    /// Waits until a message may have become due.
    pub(super) async fn changed(&self) {
        self.due.notified().await;
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Wakes up all that wait, and the next one that comes.
fn wake(due: &Notify) {
    due.notify_waiters();
    due.notify_one();
}

/// Listens and notifies until the connection breaks.
async fn exchange(
    config: &Config,
    tls: &Tls,
    due: &Notify,
    announced: &Notify,
) -> Result<(), ClientError> {
    let (client, mut connection) = config.connect(Tls::clone(tls)).await?;
    let own = AtomicI32::new(0);
    // The client's statements need the connection to be polled at the same time.
    let mut sending = pin!(async {
        client.batch_execute("LISTEN agentmail_inbox").await?;
        let process = client.query_one("SELECT pg_backend_pid()", &[]).await?.try_get(0)?;
        own.store(process, Ordering::Relaxed);
        // Nobody has listened until now.
        wake(due);
        loop {
            announced.notified().await;
            client.batch_execute("NOTIFY agentmail_inbox").await?;
            time::sleep(PAUSE).await;
        }
    });
    loop {
        tokio::select! {
            ended = &mut sending => return ended,
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                // The server sends our own notifications to us, too.
                Some(Ok(AsyncMessage::Notification(notification)))
                    if notification.process_id() != own.load(Ordering::Relaxed) => wake(due),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
        }
    }
}
