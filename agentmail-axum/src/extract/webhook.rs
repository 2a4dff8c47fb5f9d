use agentmail_receive::{RequestHead, WebhookConfig};
use axum_core::extract::{FromRef, FromRequest, Request};
use http_body_util::BodyDataStream;
use serde::de::DeserializeOwned;

use crate::{
    WebhookRejection,
    headers::{declared_length, lines},
};

/// Extracts the payload of a delivery, verified with the [`WebhookConfig`] of the router's state.
///
/// For one or two handlers; [`VerifyLayer`](crate::VerifyLayer) verifies for many routes. A state
/// without a configuration does not compile. `T` is [`MailReceived`](crate::MailReceived),
/// [`Event`](crate::Event) or a type of yours,
/// which is given events of every `type` that fits it.
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
/// | a header is missing, repeated or malformed; unsigned; too old; too far ahead; no match | 403 |
/// | no such tenant; a tenant's secret, but another agent in the payload | 403 |
/// | the [`Lookup`](crate::Lookup) of the tenant fails or is slow | 503 |
/// | the body is longer than [`body_limit`](WebhookConfig::body_limit) | 413 |
/// | the body is not complete within [`body_timeout`](WebhookConfig::body_timeout) | 408 |
/// | the body breaks off | 400 |
/// | the body is not JSON, or not the JSON that `T` asks for | 422 |
///
/// `Result<Webhook<T>, WebhookRejection>` hands the refusal to the handler. There is no
/// `Option<Webhook<T>>`: it would run the handler on a request that nobody signed.
///
/// # If it does not compile
///
/// `#[axum::debug_handler]` on the handler names the reason: mostly a state without
/// `FromRef` for [`WebhookConfig`] (the state may simply *be* a configuration), a `Webhook` that is
/// not the last argument, or a `T` that borrows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Webhook<T>(pub T);

impl<S, T> FromRequest<S> for Webhook<T>
where
    WebhookConfig: FromRef<S>,
    S: Sync,
    T: DeserializeOwned,
{
    type Rejection = WebhookRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let config = WebhookConfig::from_ref(state);
        let (parts, body) = request.into_parts();
        let declared_length = declared_length(&parts.headers, &body);
        let lines = |header| lines(&parts.headers, header);

        // By value: a head is not `Send`, and must not be kept while the body is awaited.
        let receive = config.receive(
            RequestHead::new(parts.uri.path(), &parts),
            lines,
            declared_length,
            BodyDataStream::new(body),
        );
        let delivery = receive.await?;
        Ok(Self(delivery.json()?))
    }
}
