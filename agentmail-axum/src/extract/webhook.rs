use std::{
    future::poll_fn,
    ops::{Deref, DerefMut},
    pin::pin,
};

use agentmail_receive::WebhookConfig;
use axum_core::extract::{FromRef, FromRequest, Request};
use http_body_util::BodyDataStream;
use serde::de::DeserializeOwned;

use crate::{
    delivery::Delivery,
    headers::{declared_length, head, values},
    rejection::WebhookRejection,
};

/// Verifies a delivery with the [`WebhookConfig`] of the router's state, then extracts its payload.
///
/// Use it for one or two handlers. For more routes, use [`VerifyLayer`](crate::VerifyLayer). If the
/// router's state has no configuration, the app does not compile.
///
/// `T` is [`MailReceived`](crate::MailReceived), [`Event`](crate::Event) or a type of your own. A
/// type of your own gets every payload that deserializes into it, whatever the payload's `type` is.
///
/// ```
/// use agentmail_axum::{Event, Secret, Verifier, Webhook, WebhookConfig};
/// use axum::{Router, extract::FromRef, routing::post};
///
/// #[derive(Clone)]
/// struct AppState {
///     webhooks: WebhookConfig,
/// }
///
/// impl FromRef<AppState> for WebhookConfig {
///     fn from_ref(state: &AppState) -> Self {
///         state.webhooks.clone()
///     }
/// }
///
/// async fn on_mail(Webhook(event): Webhook<Event>) {
///     match event {
///         Event::MailReceived(mail) if mail.sender_verified => {
///             println!("{:?} has mail: {:?}", mail.agent_id, mail.message_id);
///         }
///         _ => println!("an unverified sender, or another type of event"),
///     }
/// }
///
/// let verifier = Verifier::new(Secret::new("whsec_test_secret")?);
/// let app: Router = Router::new()
///     .route("/agentmail/webhook", post(on_mail))
///     .with_state(AppState { webhooks: verifier.into() });
/// # Ok::<(), agentmail_axum::SecretError>(())
/// ```
///
/// # Refuses
///
/// | what happened | status |
/// | --- | --- |
/// | a header is missing, duplicated or malformed | 403 |
/// | the request says that the service has no signing secret (`X-AgentMail-Unsigned: 1`) | 403 |
/// | the timestamp is too old or too far ahead | 403 |
/// | the signature does not match: another secret, a changed body, or a forged delivery | 403 |
/// | the [`Lookup`](crate::Lookup) finds no secrets for the request | 403 |
/// | the secrets belong to one agent ([`Tenant`](crate::Tenant)), and the payload names another agent | 403 |
/// | the [`Lookup`](crate::Lookup) fails, takes too long, or there are too many lookups | 503 |
/// | the body is longer than [`body_limit`](WebhookConfig::with_body_limit) | 413 |
/// | the body is not complete within [`body_timeout`](WebhookConfig::with_body_timeout) | 408 |
/// | the body ends early | 400 |
/// | the body is not JSON, or not the JSON that `T` expects | 422 |
/// | the secrets belong to one agent, and the payload is a mail that names no agent, or is not a JSON object | 422 |
///
/// `Result<Webhook<T>, WebhookRejection>` gives the refusal to the handler. There is no
/// `Option<Webhook<T>>`, because it would run the handler for a request that is not verified.
///
/// # If it does not compile
///
/// `#[axum::debug_handler]` on the handler names the reason. Common reasons are:
///
/// - The state has no `FromRef` for [`WebhookConfig`]. A state that is itself a [`WebhookConfig`]
///   needs none.
/// - `Webhook` is not the last argument.
/// - `T` borrows from the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Webhook<T>(pub T);

impl<T> Webhook<T> {
    /// Returns the payload.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Webhook<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Webhook<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<S, T> FromRequest<S> for Webhook<T>
where
    WebhookConfig: FromRef<S>,
    S: Sync,
    T: DeserializeOwned + 'static,
{
    type Rejection = WebhookRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let config = WebhookConfig::from_ref(state);
        let (parts, body) = request.into_parts();
        let declared_length = declared_length(&parts.headers, &body);
        // A head is not `Send`: it must not live until the body is awaited.
        let mut receive = pin!(config.receive(
            head(&parts),
            |header| values(&parts.headers, header),
            declared_length,
            BodyDataStream::new(body),
        ));
        match receive.as_mut().await {
            Ok(delivery) => Delivery(delivery).json().map(Self),
            Err(rejection) => {
                let rejection = WebhookRejection::logged(rejection);
                poll_fn(|cx| receive.as_mut().poll_discard(cx)).await;
                Err(rejection)
            }
        }
    }
}
