use agentmail_receive::{Refusal, Rejection};
use axum_core::extract::FromRequestParts;
use http::request::Parts;

use crate::{Delivery, WebhookRejection};

impl<S> FromRequestParts<S> for Delivery
where
    S: Sync,
{
    type Rejection = WebhookRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let missing = || Rejection::new(Refusal::MissingLayer, false);
        Ok(parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(missing)?)
    }
}
