use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use agentmail_receive::{Receive, Refusal, RequestHead, WebhookConfig};
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;

use crate::{
    WebhookRejection,
    headers::{declared_length, lines},
};

/// Extracts the payload of a delivery, verified with the [`WebhookConfig`] in the app's data.
///
/// For one or two handlers; [`VerifyWebhook`](crate::VerifyWebhook) verifies for many. The
/// configuration may stand in `app_data` as it is or in `web::Data`; build it *outside* of
/// `HttpServer::new`, whose closure runs once per worker. `T` is
/// [`MailReceived`](crate::MailReceived), [`Event`](crate::Event) or a type of yours,
/// which is given events of every `type` that fits it.
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
/// | a header is missing, repeated or malformed; unsigned; too old; too far ahead; no match | 403 |
/// | no such tenant; a tenant's secret, but another agent in the payload | 403 |
/// | the [`Lookup`](crate::Lookup) of the tenant fails or is slow | 503 |
/// | the body is longer than [`body_limit`](WebhookConfig::body_limit) | 413 |
/// | the body is not complete within [`body_timeout`](WebhookConfig::body_timeout) | 408 |
/// | the body breaks off | 400 |
/// | the body is not JSON, or not the JSON that `T` asks for | 422 |
/// | the app's data holds no configuration | 500, and an error in the log |
///
/// **Never take `Option<Webhook<T>>`.** actix-web gives `Option` and `Result` to every extractor, and
/// an `Option` runs the handler, with `None`, on a request that nobody signed. Behind
/// [`VerifyWebhook`](crate::VerifyWebhook) no handler can make that mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Webhook<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Webhook<T> {
    type Error = WebhookRejection;
    type Future = WebhookFuture<T>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let state = match config(request) {
            Some(config) => {
                let lines = |header| lines(request.headers(), header);
                let declared_length = declared_length(request.headers());
                let head = RequestHead::new(request.path(), request);
                let receive = config.receive(head, lines, declared_length, payload.take());
                State::Receiving { receive }
            }
            None => State::Unconfigured,
        };
        WebhookFuture { state, payload: PhantomData }
    }
}

pin_project! {
    /// The future of [`Webhook`].
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
        Unconfigured,
    }
}

impl<T: DeserializeOwned> Future for WebhookFuture<T> {
    type Output = Result<Webhook<T>, WebhookRejection>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match self.project().state.project() {
            StateProjection::Receiving { receive } => {
                let delivery = ready!(receive.poll(cx))?;
                Ok(Webhook(delivery.json()?))
            }
            StateProjection::Unconfigured => Err(Refusal::MissingConfiguration.into()),
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
