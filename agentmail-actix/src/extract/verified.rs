use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use agentmail_receive::Refusal;
use serde::de::DeserializeOwned;

use crate::{Delivery, WebhookRejection};

/// Extracts the payload of a delivery that [`VerifyWebhook`](crate::VerifyWebhook) has verified.
///
/// It reads the bytes that were signed, never the request's present payload, which an inner
/// middleware may have changed. `T` is [`MailReceived`](crate::MailReceived),
/// [`Event`](crate::Event) or a type of yours,
/// which is given events of every `type` that fits it.
///
/// ```
/// use agentmail_actix::{Event, Verified};
///
/// async fn on_mail(Verified(event): Verified<Event>) -> &'static str {
///     match event {
///         Event::MailReceived(mail) if mail.sender_verified => {
///             println!("{:?} has mail: {:?}", mail.agent_id, mail.message_id);
///         }
///         _ => println!("an unverified sender, or another type of event"),
///     }
///     "noted"
/// }
/// ```
///
/// # Refuses
///
/// | what happened | status |
/// | --- | --- |
/// | the body is not JSON, or not the JSON that `T` asks for | 422 |
/// | the route is without the middleware | 500, and an error in the log |
///
/// `Option<Verified<T>>`, which actix-web gives to every extractor, is `None` in both cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Verified<T> {
    type Error = WebhookRejection;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let extensions = request.extensions();
        let delivery = extensions.get::<Delivery>().ok_or(Refusal::MissingLayer.into());
        ready(delivery.and_then(Delivery::json).map(Self))
    }
}
