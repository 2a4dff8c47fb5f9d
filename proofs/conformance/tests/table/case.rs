//! A case, as `cases.json` states it.

use std::{collections::HashMap, future::pending, io, sync::Arc, time::Duration};

use agentmail_receive::{Lookup, Tenant, WebhookConfig};
use agentmail_verify::{Event, Secret, Tolerance, UnixTime, Verifier};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) family: String,
    pub(crate) name: String,
    pub(crate) takes: Takes,
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    frames: Vec<Frame>,
    end: End,
    now: u64,
    config: Config,
    expected: Expected,
}

/// What the handler asks for.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Takes {
    Event,
    Mail,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Frame {
    Text(String),
    Pieces(Vec<Piece>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Piece {
    Text(String),
    Run { text: String, times: usize },
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum End {
    Complete,
    Stalled,
    Broken,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    secrets: Option<Vec<(String, String)>>,
    /// When the secret of a label ends, in Unix seconds.
    #[serde(default)]
    ends: HashMap<String, u64>,
    /// The one agent that the fixed verifier's secrets may speak for.
    agent: Option<String>,
    /// Secrets by agent, instead of a fixed verifier.
    tenants: Option<HashMap<String, String>>,
    /// What is wrong with the store that holds the tenants.
    store: Option<Store>,
    max_age: Option<u64>,
    max_ahead: Option<u64>,
    body_limit: Option<usize>,
    /// The label that the receipt must carry.
    label: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Store {
    Failing,
    Stalled,
}

#[derive(Deserialize, Clone)]
struct Expected {
    status: u16,
    code: Option<String>,
    answer: Option<String>,
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    /// The header of this name: an answer of 503, and no other, tells when to try again.
    pub(crate) retry_after: Option<String>,
    pub(crate) body: String,
}

pub(crate) fn load() -> Vec<Case> {
    let file: File = serde_json::from_str(include_str!("../../cases.json")).unwrap();
    file.cases
}

impl Case {
    pub(crate) fn expected(&self) -> Answer {
        let Expected { status, code, answer } = self.expected.clone();
        let retry_after = (status == 503).then(|| "5".to_owned());
        Answer { status, code, retry_after, body: answer.unwrap_or_default() }
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), bytes(value)))
    }

    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.now)
    }

    /// The whole body; `None` where the case is about reading it, or about whose secrets count.
    pub(crate) fn whole_body(&self) -> Option<Vec<u8>> {
        if self.config.tenants.is_some() || self.config.agent.is_some() {
            return None;
        }
        let reading = matches!(self.expected.status, 400 | 408 | 413);
        (!reading && matches!(self.end, End::Complete)).then(|| self.frames().concat())
    }

    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        self.frames.iter().map(Frame::bytes).collect()
    }

    /// The body as it arrives.
    pub(crate) fn body(&self) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + use<> {
        let frames = stream::iter(self.frames().into_iter().map(Ok));
        match self.end {
            End::Complete => frames.boxed(),
            End::Stalled => frames.chain(stream::pending()).boxed(),
            End::Broken => {
                let reset = io::Error::from(io::ErrorKind::ConnectionReset);
                frames.chain(stream::iter([Err(reset)])).boxed()
            }
        }
    }

    pub(crate) fn label(&self) -> &str {
        self.config.label.as_deref().unwrap_or("default")
    }

    pub(crate) fn verifier(&self) -> Verifier {
        let only = || vec![("default".to_owned(), "whsec_test_secret".to_owned())];
        let secrets = self.config.secrets.clone().unwrap_or_else(only);
        let mut secrets = secrets
            .iter()
            .map(|(label, secret)| Secret::new(bytes(secret)).unwrap().with_label(label).unwrap());
        let first = Verifier::new(secrets.next().unwrap());
        let accept = |verifier: Verifier, secret: Secret| match self
            .config
            .ends
            .get(secret.label().as_str())
        {
            Some(end) => verifier.accept_until(secret, UnixTime::from_secs(*end)),
            None => verifier.accept(secret),
        };
        let verifier = secrets.try_fold(first, accept).unwrap();

        let [max_age, max_ahead] = [self.config.max_age, self.config.max_ahead]
            .map(|secs| Duration::from_secs(secs.unwrap_or(300)));
        let tolerance = Tolerance::default().with_max_age(max_age).unwrap();
        verifier.with_tolerance(tolerance.with_max_ahead(max_ahead).unwrap())
    }

    pub(crate) fn config(&self) -> WebhookConfig {
        let config = match (&self.config.tenants, &self.config.agent) {
            (Some(tenants), _) => self.lookup(tenants).into(),
            (None, Some(agent)) => Tenant::new(self.verifier(), &**agent).into(),
            (None, None) => WebhookConfig::new(self.verifier()),
        };
        let config = config.clock(self.now());
        match self.config.body_limit {
            Some(limit) => config.body_limit(limit),
            None => config,
        }
    }
}

impl Case {
    fn lookup(&self, tenants: &HashMap<String, String>) -> Lookup<String> {
        let tenants = tenants.iter().map(|(agent, secret)| {
            let verifier = Verifier::new(Secret::new(bytes(secret)).unwrap());
            (agent.clone(), Tenant::new(verifier, &**agent))
        });
        let tenants: Arc<HashMap<_, _>> = Arc::new(tenants.collect());
        let store = self.config.store;
        Lookup::new(
            |head| head.segment_between("/agents/", "/webhook"),
            move |agent: String| {
                let tenants = Arc::clone(&tenants);
                async move {
                    match store {
                        None => Ok(tenants.get(&agent).cloned()),
                        Some(Store::Failing) => Err("the store is down"),
                        Some(Store::Stalled) => pending().await,
                    }
                }
            },
        )
    }
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => bytes(text),
            Self::Pieces(pieces) => pieces.iter().flat_map(Piece::bytes).collect(),
        }
    }
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => bytes(text),
            Self::Run { text, times } => bytes(text).repeat(*times),
        }
    }
}

/// Each character of the file is one byte.
fn bytes(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).unwrap()).collect()
}

/// What a handler answers to an event: the message's id, or the event's type.
pub(crate) fn told(event: &Event) -> String {
    match event {
        Event::MailReceived(mail) => mail.message_id.clone(),
        Event::Other { kind, .. } => kind.clone(),
        _ => unreachable!("there is no other variant"),
    }
}
