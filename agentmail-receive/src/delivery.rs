use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use agentmail_verify::{
    Event, MailReceived, Receipt, SignedHeaders, Signer, UnixTime, Verifier, VerifyError, from_json,
};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::{
    identity::Identity, message_key::MessageKey, origin::Origin, refusal::Refusal,
    rejection::Rejection, response::RefusalStyle, telemetry,
};

/// A verified delivery: the bytes that were signed, and a [`Receipt`] that says when they were
/// signed and which secret matched.
///
/// A clone is cheap: it increments a reference count. `Debug` shows the length of the body, not the
/// body.
#[derive(Clone)]
pub struct Delivery {
    receipt: Receipt,
    body: Bytes,
    /// Computed when it is first needed.
    message_key: OnceLock<MessageKey>,
    /// Set when its event was read for the first time.
    event_read: OnceLock<()>,
    fresh_for: Duration,
    style: Arc<RefusalStyle>,
    origin: Origin,
}

impl Delivery {
    /// Verifies a body that is in memory. Only this function, [`sign`](Self::sign) and
    /// [`WebhookConfig::receive`](crate::WebhookConfig::receive) create deliveries.
    ///
    /// # Errors
    ///
    /// Those of [`Verifier::verify`].
    pub fn verify(
        verifier: &Verifier,
        headers: &SignedHeaders,
        body: Bytes,
        now: UnixTime,
    ) -> Result<Self, VerifyError> {
        let receipt = verifier.verify(headers, &body, now)?;
        let tolerance = verifier.tolerance();
        Ok(Self {
            receipt,
            body,
            message_key: OnceLock::new(),
            event_read: OnceLock::new(),
            fresh_for: tolerance.max_age().saturating_add(tolerance.max_ahead()),
            style: RefusalStyle::shared_default(),
            origin: Origin::default(),
        })
    }

    /// Creates a delivery for a test: signs a body with the timestamp `at`, and verifies it at that
    /// time.
    ///
    /// ```
    /// # use agentmail_receive::Delivery;
    /// # use agentmail_verify::{MailReceived, Secret, Signer, UnixTime};
    /// let signer = Signer::new(Secret::new("whsec_test_secret")?);
    /// let body = r#"{"type":"mail.received","agent_id":"my-agent","message_id":"msg-abc123"}"#;
    ///
    /// let delivery = Delivery::sign(&signer, UnixTime::now(), body);
    ///
    /// assert_eq!(delivery.json::<MailReceived>()?.agent_id, "my-agent");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "the invariant cannot be broken")]
    pub fn sign(signer: &Signer, at: UnixTime, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let signed = signer.sign(at, &body);
        SignedHeaders::parse(|header| signed.value(header))
            .and_then(|headers| Self::verify(&signer.verifier(), &headers, body, at))
            .expect("a signer's own verifier accepts what it has just signed")
    }

    /// Returns when the delivery was signed, and which secret matched.
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Returns the bytes that were signed. They may be anything, even not JSON.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the bytes that were signed.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.body
    }

    /// Parses the body as JSON.
    ///
    /// If `T` is [`MailReceived`] or [`Event`], an optional field whose JSON type differs from the
    /// vendor's guide is treated as absent, and its name is logged. The first time in a process,
    /// the level is warn. After that, it is debug.
    ///
    /// # Errors
    ///
    /// 422: the body is not the JSON that `T` expects. The refusal is not logged: call
    /// [`Rejection::log`].
    pub fn json<T: DeserializeOwned + 'static>(&self) -> Result<T, Rejection> {
        let payload = from_json(&self.body).map_err(|error| self.refuse(error.into()))?;
        self.report_event(&payload);
        if let Some(mail) = mail(&payload) {
            let log = |field| telemetry::field_ignored(field, &self.origin);
            mail.mistyped_fields().for_each(log);
        }
        Ok(payload)
    }

    /// Returns the key that identifies the message. Two deliveries of one message have the same
    /// key.
    #[must_use]
    pub fn message_key(&self) -> MessageKey {
        *self.message_key.get_or_init(|| MessageKey::of_payload(&self.body))
    }

    /// Returns the agent that the secret belongs to, or `None` if the secret is valid for any
    /// agent.
    ///
    /// If the payload names no agent, the event belongs to the agent that is returned here.
    #[must_use]
    pub fn tenant_agent_id(&self) -> Option<&str> {
        self.origin.agent_id()
    }

    /// Returns the longest time between the acceptance of this delivery and the acceptance of a
    /// copy with the same signature.
    ///
    /// It is the sum of the tolerance's `max_age` and `max_ahead`, and of the body timeout.
    #[must_use]
    pub const fn fresh_for(&self) -> Duration {
        self.fresh_for
    }

    /// Refuses this delivery for a reason that the handler has found.
    ///
    /// The response has the form that is set in the configuration that verified the delivery. The
    /// refusal is not logged: call [`Rejection::log`].
    #[must_use]
    pub fn refuse(&self, refusal: Refusal) -> Rejection {
        Rejection::new(refusal, Arc::clone(&self.style), self.origin.clone())
    }

    /// Adds the form of refusals, the request for the log, and the body timeout.
    pub(crate) fn accepted(
        self,
        style: Arc<RefusalStyle>,
        origin: Origin,
        body_timeout: Duration,
    ) -> Self {
        Self { style, origin, fresh_for: self.fresh_for.saturating_add(body_timeout), ..self }
    }

    /// Reports the type of an event to the observers, once.
    fn report_event(&self, payload: &dyn Any) {
        let is_event = payload.is::<Event>() || payload.is::<MailReceived>();
        if is_event && self.event_read.set(()).is_ok() {
            let kind = mail(payload).map_or("other", |_| MailReceived::KIND);
            self.style.observers.event(kind);
        }
    }

    /// Sets the message key from an identity that has been read already.
    pub(crate) fn identify(&self, identity: &Identity) {
        self.message_key.get_or_init(|| MessageKey::new(Some(identity), &self.body));
    }

    pub(crate) fn log(&self) {
        telemetry::verified(&self.receipt, &self.origin);
    }
}

/// Returns the mail, if the payload has one of the types of `agentmail-verify`.
fn mail(payload: &dyn Any) -> Option<&MailReceived> {
    match payload.downcast_ref() {
        Some(Event::MailReceived(mail)) => Some(mail),
        _ => payload.downcast_ref(),
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("receipt", &self.receipt)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}
