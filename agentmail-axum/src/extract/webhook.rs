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

/// Extracts the payload of a delivery, after it has verified it with the [`WebhookConfig`] of the
/// router's state.
///
/// Use it for one or two handlers. [`VerifyLayer`](crate::VerifyLayer) verifies for many routes. A
/// state without a configuration does not compile. `T` is [`MailReceived`](crate::MailReceived),
/// [`Event`](crate::Event) or a type of yours. A type of yours gets events of every `type` that
/// fits it.
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
/// | a header is missing, duplicated or malformed; unsigned; too old; too far ahead; no match | 403 |
/// | no such tenant; a tenant's secret, but another agent in the payload | 403 |
/// | the [`Lookup`](crate::Lookup) of the tenant fails or is slow | 503 |
/// | the body is longer than [`body_limit`](WebhookConfig::with_body_limit) | 413 |
/// | the body is not complete within [`body_timeout`](WebhookConfig::with_body_timeout) | 408 |
/// | the body ends early | 400 |
/// | the body is not JSON, or not the JSON that `T` expects | 422 |
///
/// `Result<Webhook<T>, WebhookRejection>` gives the refusal to the handler. There is no
/// `Option<Webhook<T>>`, because it would run the handler for a request that is not verified.
///
/// # If it does not compile
///
/// `#[axum::debug_handler]` on the handler names the reason. Common reasons are a state without
/// `FromRef` for [`WebhookConfig`] (the state may also *be* a configuration), a `Webhook` that is
/// not the last argument, and a `T` that borrows.
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
