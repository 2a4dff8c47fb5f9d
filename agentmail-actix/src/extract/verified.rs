use std::{
    future::{Ready, ready},
    ops::{Deref, DerefMut},
};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;

use crate::{delivery::Delivery, rejection::WebhookRejection};

/// Extracts the payload of a delivery that [`VerifyWebhook`](crate::VerifyWebhook) has verified.
///
/// It reads the bytes that were signed, not the current payload of the request. A middleware inside
/// [`VerifyWebhook`](crate::VerifyWebhook) may have changed the current payload.
///
/// `T` is [`MailReceived`](crate::MailReceived), [`Event`](crate::Event) or a type of your own. A
/// type of your own gets every payload that deserializes into it, whatever the payload's `type` is.
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
/// | the body is not JSON, or not the JSON that `T` expects | 422 |
/// | the route has no middleware | 500, and an error in the log |
///
/// actix-web provides `Option` for every extractor. `Option<Verified<T>>` is `None` in both cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<T>(pub T);

impl<T> Verified<T> {
    /// Returns the payload.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Verified<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for Verified<T> {
    type Error = WebhookRejection;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match request.extensions().get::<Delivery>() {
            Some(delivery) => delivery.json().map(Self),
            None => Err(WebhookRejection::missing_layer(request.path())),
        })
    }
}
