use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agentmail_axum::{Event, Secret, Verified, Verifier, VerifyLayer, WebhookConfig};
use agentmail_simulator::{Agent, Retry, Simulator};
use axum::{Router, http::StatusCode, routing::post};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// A simulator, its agent, and a receiver.
#[derive(Debug)]
pub struct World {
    /// The simulator: three attempts, with short pauses.
    pub simulator: Simulator,
    /// The agent of the page.
    pub agent: Agent,
    /// The receiver. The agent has no webhook yet.
    pub receiver: Receiver,
}

impl World {
    /// Starts both on free ports.
    pub async fn start() -> Self {
        let retry = Retry::new()
            .with_attempts(3)
            .with_first_pause(Duration::from_millis(20))
            .with_longest_pause(Duration::from_millis(50));
        let builder = Simulator::builder().with_retry(retry).with_max_messages(20_000);
        let simulator = builder.with_agent("my-agent", None).start().await.unwrap();
        let agent = simulator.agent("my-agent").await.unwrap();
        Self { simulator, agent, receiver: Receiver::start().await }
    }

    /// Sets the webhook, and gives its secret to the receiver.
    pub async fn connect(&self) {
        let secret = self.agent.set_webhook(&self.receiver.url).await.unwrap();
        self.receiver.load(&secret);
    }
}

/// A receiver that verifies, and says why it refuses. It also counts other requests.
#[derive(Debug)]
pub struct Receiver {
    /// The URL of the webhook.
    pub url: String,
    /// A URL that nothing may open.
    pub trap: String,
    verifier: watch::Sender<Arc<Verifier>>,
    events: Arc<Mutex<Vec<Event>>>,
    trapped: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Receiver {
    async fn start() -> Self {
        let (verifier, source) = watch::channel(verifier("not set yet"));
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let on_event = {
            let events = Arc::clone(&events);
            async move |Verified(event): Verified<Event>| events.lock().unwrap().push(event)
        };
        let config = WebhookConfig::new(source).with_problem_details(true);
        let trapped = Arc::<AtomicUsize>::default();
        let trap = Arc::clone(&trapped);
        let router = Router::new()
            .route("/agentmail/webhook", post(on_event).route_layer(VerifyLayer::new(config)))
            .fallback(async move || {
                trap.fetch_add(1, Ordering::Relaxed);
                StatusCode::NOT_FOUND
            });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        let (url, trap) = (format!("{base}/agentmail/webhook"), format!("{base}/trap"));
        Self { url, trap, verifier, events, trapped, task }
    }

    /// Loads a secret in place of the last one.
    pub fn load(&self, secret: &str) {
        self.verifier.send_replace(verifier(secret));
    }

    /// Returns the subjects of the mails that the handler got.
    #[must_use]
    pub fn subjects(&self) -> Vec<String> {
        let subject = |event: &Event| match event {
            Event::MailReceived(mail) => mail.subject.clone().unwrap_or_default(),
            other => panic!("not a mail: {other:?}"),
        };
        self.events.lock().unwrap().iter().map(subject).collect()
    }

    /// Returns how many requests were not for the webhook.
    #[must_use]
    pub fn trapped(&self) -> usize {
        self.trapped.load(Ordering::Relaxed)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn verifier(secret: &str) -> Arc<Verifier> {
    Arc::new(Verifier::new(Secret::new(secret).unwrap()))
}
