use std::ops::{Deref, DerefMut};

use axum_core::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::{delivery::Delivery, rejection::WebhookRejection};

/// Extracts the payload of a delivery that [`VerifyLayer`](crate::VerifyLayer) has verified.
///
/// It reads the bytes that were signed, not the current body of the request. A layer inside
/// [`VerifyLayer`](crate::VerifyLayer) may have changed the current body.
///
/// `T` is [`MailReceived`](crate::MailReceived), [`Event`](crate::Event) or a type of your own. A
/// type of your own gets every payload that deserializes into it, whatever the payload's `type` is.
///
/// ```
/// use agentmail_axum::{Event, Verified};
///
/// async fn on_mail(Verified(event): Verified<Event>) {
///     match event {
///         Event::MailReceived(mail) if mail.sender_verified => {
///             println!("{:?} has mail: {:?}", mail.agent_id, mail.message_id);
///         }
///         _ => println!("an unverified sender, or another type of event"),
///     }
/// }
/// ```
///
/// # Refuses
///
/// | what happened | status |
/// | --- | --- |
/// | the body is not JSON, or not the JSON that `T` expects | 422 |
/// | the route has no layer | 500, and an error in the log |
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

impl<S, T> FromRequestParts<S> for Verified<T>
where
    S: Sync,
    T: DeserializeOwned + 'static,
{
    type Rejection = WebhookRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        match parts.extensions.get::<Delivery>() {
            Some(delivery) => delivery.json().map(Self),
            None => Err(WebhookRejection::missing_layer(parts.uri.path())),
        }
    }
}
