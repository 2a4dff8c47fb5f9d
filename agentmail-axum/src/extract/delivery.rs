use agentmail_receive::Refusal;
use axum_core::extract::FromRequestParts;
use http::request::Parts;

use crate::{Delivery, WebhookRejection};

impl<S> FromRequestParts<S> for Delivery
where
    S: Sync,
{
    type Rejection = WebhookRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let delivery = parts.extensions.get::<Self>().cloned();
        delivery.ok_or_else(|| Refusal::MissingLayer.into())
    }
}
