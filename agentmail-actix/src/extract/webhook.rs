use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use agentmail_receive::{Receive, Refusal, Rejection, WebhookConfig};
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;

use crate::{
    delivery::Delivery,
    headers::{declared_length, head, values},
    rejection::WebhookRejection,
};

/// Verifies a delivery with the [`WebhookConfig`] of the app's data, then extracts its payload.
///
/// Use it for one or two handlers. For more routes, use [`VerifyWebhook`](crate::VerifyWebhook).
/// Add the configuration with `app_data`, as it is or in `web::Data`. Create it *outside* of the
/// closure of `HttpServer::new`, because that closure runs once per worker.
///
/// `T` is [`MailReceived`](crate::MailReceived), [`Event`](crate::Event) or a type of your own. A
/// type of your own gets every payload that deserializes into it, whatever the payload's `type` is.
///
/// ```
/// use actix_web::{App, web};
/// use agentmail_actix::{Event, Secret, Verifier, Webhook, WebhookConfig};
///
/// async fn on_mail(Webhook(event): Webhook<Event>) -> &'static str {
///     match event {
///         Event::MailReceived(mail) if mail.sender_verified => {
///             println!("{:?} has mail: {:?}", mail.agent_id, mail.message_id);
///         }
///         _ => println!("an unverified sender, or another type of event"),
///     }
///     "noted"
/// }
///
/// let webhooks = WebhookConfig::new(Verifier::new(Secret::new("whsec_test_secret")?));
/// let app = App::new()
///     .app_data(webhooks.clone())
///     .route("/agentmail/webhook", web::post().to(on_mail));
/// # Ok::<(), agentmail_actix::SecretError>(())
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
/// | the app's data has no configuration | 500, and an error in the log |
///
/// **Never take `Option<Webhook<T>>`.** actix-web has `Option` and `Result` for each extractor.
/// With `Option`, the handler also runs for a request that is not verified, and gets `None`. On a
/// route with [`VerifyWebhook`](crate::VerifyWebhook), the handler never runs for such a request.
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

impl<T: DeserializeOwned + 'static> FromRequest for Webhook<T> {
    type Error = WebhookRejection;
    type Future = WebhookFuture<T>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let state = match config(request) {
            Some(config) => {
                let values = |header| values(request.headers(), header);
                let declared_length = declared_length(request.headers());
                let receive =
                    config.receive(head(request), values, declared_length, payload.take());
                State::Receiving { receive }
            }
            None => State::Unconfigured { path: request.path().to_owned() },
        };
        WebhookFuture { state, payload: PhantomData }
    }
}

pin_project! {
    /// The future of [`Webhook`].
    #[must_use = "futures do nothing unless polled"]
    pub struct WebhookFuture<T> {
        #[pin]
        state: State,
        payload: PhantomData<fn() -> T>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State {
        Receiving {
            #[pin]
            receive: Receive<Payload>,
        },
        Unconfigured { path: String },
    }
}

impl<T: DeserializeOwned + 'static> Future for WebhookFuture<T> {
    type Output = Result<Webhook<T>, WebhookRejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().state.project() {
            StateProjection::Receiving { receive } => {
                let received = ready!(receive.poll(cx)).map_err(WebhookRejection::logged);
                received.and_then(|delivery| Delivery(delivery).json().map(Webhook))
            }
            StateProjection::Unconfigured { path } => {
                let rejection = Rejection::from(Refusal::MissingConfiguration).with_path(path);
                Err(WebhookRejection::logged(rejection))
            }
        })
    }
}

impl<T> fmt::Debug for WebhookFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookFuture").finish_non_exhaustive()
    }
}

fn config(request: &HttpRequest) -> Option<&WebhookConfig> {
    let shared = || request.app_data::<web::Data<WebhookConfig>>().map(web::Data::get_ref);
    request.app_data::<WebhookConfig>().or_else(shared)
}
