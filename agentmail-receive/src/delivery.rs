use std::{fmt, sync::OnceLock, time::Duration};

use agentmail_verify::{
    Receipt, SignedHeaders, Signer, UnixTime, Verifier, VerifyError, from_json,
};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::{
    identity::Identity, message_key::MessageKey, refusal::Refusal, rejection::Rejection,
    response::RefusalStyle,
};

/// An authentic delivery: the [`Receipt`], together with the bytes that were signed.
///
/// A clone is a reference count. `Debug` shows the length of the body, not the body.
#[derive(Clone)]
pub struct Delivery {
    receipt: Receipt,
    body: Bytes,
    /// Computed when it is first needed.
    message_key: OnceLock<MessageKey>,
    fresh_for: Duration,
    style: RefusalStyle,
}

impl Delivery {
    /// Verifies a body that is in memory. Apart from [`sign`](Self::sign), there is no other way to
    /// make a delivery.
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
            fresh_for: tolerance.max_age().saturating_add(tolerance.max_ahead()),
            style: RefusalStyle::default(),
        })
    }

    /// Signs a body and verifies it at the same time `at`: one call that makes a delivery for a
    /// test.
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

    /// Reads the bytes that were signed as JSON.
    ///
    /// # Errors
    ///
    /// 422: they are not the JSON that `T` expects. The refusal is not logged, see
    /// [`Rejection::log`].
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Rejection> {
        from_json(&self.body).map_err(|error| self.refuse(error.into()))
    }

    /// Returns what identifies the message. Two deliveries of one message have the same key.
    #[must_use]
    pub fn message_key(&self) -> MessageKey {
        let read = || MessageKey::new(Identity::read(&self.body).as_ref(), &self.body);
        *self.message_key.get_or_init(read)
    }

    /// Returns how long a copy of this delivery may still be accepted, from when it was signed.
    #[must_use]
    pub const fn fresh_for(&self) -> Duration {
        self.fresh_for
    }

    /// Refuses this delivery. The response looks as its configuration wants it. The refusal is not
    /// logged, see [`Rejection::log`].
    #[must_use]
    pub fn refuse(&self, refusal: Refusal) -> Rejection {
        Rejection::new(refusal, self.style.clone())
    }

    /// Adds what the configuration says about a delivery that it has accepted.
    pub(crate) fn accepted(self, style: RefusalStyle, body_timeout: Duration) -> Self {
        Self { style, fresh_for: self.fresh_for.saturating_add(body_timeout), ..self }
    }

    /// Keeps the key of an identity that has been read already.
    pub(crate) fn identify(&self, identity: Option<&Identity<'_>>) {
        self.message_key.get_or_init(|| MessageKey::new(identity, &self.body));
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
