//! A case of `cases.json`.

use std::{collections::HashMap, future::pending, io, sync::Arc, time::Duration};

use agentmail_receive::{
    Delivery, DiagnosisConfig, Lookup, SecretText, Tenant, WebhookConfig, path_segment,
};
use agentmail_verify::{Event, Label, Secret, Tolerance, UnixTime, Verifier};
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
    /// Whether receivers have their diagnosis on.
    #[serde(skip)]
    pub(crate) is_diagnosed: bool,
}

/// What the handler extracts.
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
    /// The only agent for which the secrets of the fixed verifier are valid.
    agent: Option<String>,
    /// The secret of each agent, instead of a fixed verifier.
    tenants: Option<HashMap<String, String>>,
    /// How the store with the tenants fails.
    store: Option<Store>,
    max_age: Option<u64>,
    max_ahead: Option<u64>,
    body_limit: Option<usize>,
    /// The label that the receipt must have.
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
    body: Option<String>,
    /// What identifies the message, in hex.
    message_key: Option<String>,
}

/// A response of a receiver.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    /// The header `retry-after`. A response with 503 must have it, and no other may.
    pub(crate) retry_after: Option<String>,
    pub(crate) body: String,
}

pub(crate) fn load() -> Vec<Case> {
    let file: File = serde_json::from_str(include_str!("../../cases.json")).unwrap();
    file.cases
}

impl Case {
    pub(crate) fn expected(&self) -> Response {
        let Expected { status, code, body, .. } = self.expected.clone();
        let retry_after = (status == 503).then(|| "5".to_owned());
        Response { status, code, retry_after, body: body.unwrap_or_default() }
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), bytes(value)))
    }

    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.now)
    }

    /// Returns the whole body, or `None` if the case is about reading the body or about the source
    /// of the secrets.
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

    /// Returns the body as it arrives.
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

    /// Returns a function that checks what a delivery says beside its payload.
    pub(crate) fn check(&self) -> impl Fn(&Delivery) + Clone + Send + Sync + use<> {
        let (label, key) = (self.label().to_owned(), self.expected.message_key.clone());
        move |delivery| {
            assert_eq!(delivery.receipt().label().as_str(), label);
            // A body that is refused as a payload has no expected key.
            if let Some(key) = &key {
                assert_eq!(&delivery.message_key().to_string(), key);
            }
        }
    }

    pub(crate) fn label(&self) -> &str {
        self.config.label.as_deref().unwrap_or("default")
    }

    /// Returns the labels and the texts of the secrets of the fixed verifier.
    pub(crate) fn secrets(&self) -> Vec<(String, Vec<u8>)> {
        let only = || vec![("default".to_owned(), "whsec_test_secret".to_owned())];
        let secrets = self.config.secrets.clone().unwrap_or_else(only);
        secrets.into_iter().map(|(label, secret)| (label, bytes(&secret))).collect()
    }

    pub(crate) fn texts(&self) -> Vec<SecretText> {
        let text = |(label, secret): (String, Vec<u8>)| {
            SecretText::new(secret).with_label(Label::new(&label).unwrap())
        };
        self.secrets().into_iter().map(text).collect()
    }

    pub(crate) fn verifier(&self) -> Verifier {
        let mut secrets = self.texts().into_iter().map(|text| text.secret().unwrap());
        let first = Verifier::new(secrets.next().unwrap());
        let accept = |verifier: Verifier, secret: Secret| match self
            .config
            .ends
            .get(secret.label().as_str())
        {
            Some(end) => verifier.with_secret_until(secret, UnixTime::from_secs(*end)),
            None => verifier.with_secret(secret),
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
        let config = config.with_clock(self.now());
        let config = match self.is_diagnosed {
            true => config.with_diagnosis(
                self.texts().into_iter().fold(DiagnosisConfig::new(), |diagnosis, text| {
                    diagnosis.with_secret_text(text)
                }),
            ),
            false => config,
        };
        match self.config.body_limit {
            Some(limit) => config.with_body_limit(limit),
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
            |head| path_segment(head.path(), "/agents/", "/webhook"),
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

/// Returns the response of a handler: the id of a mail, or the type of another event.
pub(crate) fn text_of(event: &Event) -> String {
    match event {
        Event::MailReceived(mail) => mail.message_id.clone(),
        Event::Other { kind, .. } => kind.clone(),
        _ => unreachable!("there is no other variant"),
    }
}
