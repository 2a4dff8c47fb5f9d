//! What the tests share: calls of the API, and endpoints for deliveries.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod smtp;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use agentmail_axum::{Event, Secret, Verified, Verifier, VerifyLayer};
use agentmail_simulator::{Retry, Simulator};
use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// Retries that take milliseconds.
pub(crate) fn quick() -> Retry {
    Retry::new()
        .with_attempts(3)
        .with_first_pause(Duration::from_millis(1))
        .with_longest_pause(Duration::from_millis(5))
        .with_timeout(Duration::from_secs(20))
}

pub(crate) async fn simulator() -> Simulator {
    Simulator::builder()
        .with_agent("my-agent", Some("token".to_owned()))
        .with_retry(quick())
        .start()
        .await
        .unwrap()
}

/// The response to a call of the API.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

/// Calls the API with an agent's token.
pub(crate) async fn call(simulator: &Simulator, method: &str, path: &str, body: Value) -> Reply {
    let json = ("content-type", "application/json".to_owned());
    let headers = [("authorization", "Bearer token".to_owned()), json];
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    send(simulator, method, path, &headers, body).await
}

/// Sends any request to the API.
pub(crate) async fn send(
    simulator: &Simulator,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: Vec<u8>,
) -> Reply {
    let mut request =
        ureq::http::Request::builder().method(method).uri(format!("{}{path}", simulator.url()));
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(body).unwrap();
    let sent = tokio::task::spawn_blocking(move || {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .build();
        let mut response = config.new_agent().run(request).unwrap();
        let body = response.body_mut().with_config().limit(64 << 20).read_to_vec().unwrap();
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    });
    sent.await.unwrap()
}

/// A request that an [`Endpoint`] got.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

#[derive(Debug, Clone, Default)]
struct Script {
    got: Arc<Mutex<Vec<Got>>>,
    statuses: Arc<Mutex<VecDeque<u16>>>,
}

/// An endpoint that verifies nothing. It responds with the given statuses, and then with 200.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    script: Script,
    task: JoinHandle<()>,
}

impl Endpoint {
    pub(crate) async fn start(statuses: impl IntoIterator<Item = u16>) -> Self {
        let script = Script::default();
        script.statuses.lock().unwrap().extend(statuses);
        let router = Router::new().fallback(respond).with_state(script.clone()).into_make_service();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/agentmail/webhook", listener.local_addr().unwrap());
        let task = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, script, task }
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.script.got.lock().unwrap().clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn respond(State(script): State<Script>, request: Request) -> StatusCode {
    let headers = request.headers().clone();
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
    let Ok(body) = body else { return StatusCode::BAD_REQUEST };
    script.got.lock().unwrap().push(Got { headers, body });
    let status = script.statuses.lock().unwrap().pop_front().unwrap_or(200);
    StatusCode::from_u16(status).unwrap()
}

/// A receiver that verifies, with a secret that can change.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    verifier: watch::Sender<Arc<Verifier>>,
    events: Arc<Mutex<Vec<Event>>>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Starts with a secret that nothing is signed with.
    pub(crate) async fn start() -> Self {
        let (verifier, receiver) = watch::channel(verifier("not set yet"));
        let events = Arc::<Mutex<Vec<Event>>>::default();
        let on_event = {
            let events = Arc::clone(&events);
            async move |Verified(event): Verified<Event>| events.lock().unwrap().push(event)
        };
        let route = post(on_event).route_layer(VerifyLayer::new(receiver));
        let router = Router::new().route("/agentmail/webhook", route);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/agentmail/webhook", listener.local_addr().unwrap());
        let task = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, verifier, events, task }
    }

    pub(crate) fn set_secret(&self, secret: &str) {
        self.verifier.send_replace(verifier(secret));
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// The ids of the mails that the handler got.
    pub(crate) fn message_ids(&self) -> Vec<String> {
        let id = |event: &Event| match event {
            Event::MailReceived(mail) => mail.message_id.clone(),
            other => panic!("not a mail: {other:?}"),
        };
        self.events().iter().map(id).collect()
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
