use agentmail_receive::Refusal;
use axum_core::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::{Delivery, WebhookRejection};

/// Extracts the payload of a delivery that [`VerifyLayer`](crate::VerifyLayer) has verified.
///
/// It reads the bytes that were signed, never the request's present body, which an inner layer may
/// have changed. `T` is [`MailReceived`](crate::MailReceived), [`Event`](crate::Event) or a type of
/// yours, which is given events of every `type` that fits it.
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
/// | the body is not JSON, or not the JSON that `T` asks for | 422 |
/// | the route is without the layer | 500, and an error in the log |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<T>(pub T);

impl<S, T> FromRequestParts<S> for Verified<T>
where
    S: Sync,
    T: DeserializeOwned,
{
    type Rejection = WebhookRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let delivery = parts.extensions.get::<Delivery>().ok_or(Refusal::MissingLayer)?;
        Ok(Self(delivery.json()?))
    }
}
