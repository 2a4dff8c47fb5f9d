use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use agentmail_verify::{Verifier, WebhookHeader};
use bytes::Bytes;
use tokio::{runtime::Handle, task::JoinHandle};

use super::{captured::CapturedRequest, config::Switch, diagnosis::Diagnosis};
use crate::{config::WebhookConfig, refusal::Refusal, source::RequestHead};

/// A request that is diagnosed if it is refused.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    request: CapturedRequest,
    verifier: Option<Verifier>,
    switch: Arc<Switch>,
}

impl Observed {
    /// Copies the headers, if the configuration has a diagnosis.
    pub(crate) fn new<'a, V>(
        config: &WebhookConfig,
        head: &RequestHead<'_>,
        values: &impl Fn(WebhookHeader) -> V,
        declared_length: Option<u64>,
    ) -> Option<Box<Self>>
    where
        V: IntoIterator<Item = &'a [u8]>,
    {
        let switch = Arc::clone(config.diagnosis()?);
        let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
        let has_all =
            head.read_headers(&mut |name, value| headers.push((name.to_owned(), value.to_vec())));
        if !has_all {
            for header in
                [WebhookHeader::Timestamp, WebhookHeader::Signature, WebhookHeader::Unsigned]
            {
                let values = values(header).into_iter();
                headers.extend(values.map(|value| (header.name().to_owned(), value.to_vec())));
            }
            if head.has_content_encoding() {
                headers.push(("content-encoding".to_owned(), Vec::new()));
            }
        }
        let headers = headers.iter().map(|(name, value)| (&**name, &**value));
        let request = CapturedRequest::new(headers).with_received_at(config.now());
        let request = request.with_declared_length(declared_length);
        Some(Box::new(Self { request, verifier: None, switch }))
    }

    pub(crate) fn set_verifier(&mut self, verifier: &Verifier) {
        self.verifier = Some(verifier.clone());
    }

    pub(crate) fn set_body(&mut self, body: &Bytes) {
        self.request = self.request.clone().with_body(body.clone());
    }

    /// Starts the diagnosis on a thread for blocking work. Returns `None` for a refusal that needs
    /// none, and if there are too many diagnoses.
    pub(crate) fn diagnose(self, refusal: Refusal) -> Option<Diagnosing> {
        if !matches!(refusal, Refusal::Unverified(_)) {
            return None;
        }
        let runtime = Handle::try_current().ok()?;
        let Self { request, verifier, switch } = self;
        let running = switch.start()?;
        let task = runtime.spawn_blocking(move || {
            let _running = running;
            let secrets = match verifier {
                Some(verifier) => switch.secrets().with_verifier(verifier),
                None => switch.secrets(),
            };
            Diagnosis::of(&request, &secrets, switch.budget())
        });
        Some(Diagnosing { task })
    }
}

/// A diagnosis that runs on another thread.
#[derive(Debug)]
pub(crate) struct Diagnosing {
    task: JoinHandle<Diagnosis>,
}

impl Future for Diagnosing {
    /// `None` if the runtime shuts down.
    type Output = Option<Diagnosis>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.task).poll(cx)).ok())
    }
}
