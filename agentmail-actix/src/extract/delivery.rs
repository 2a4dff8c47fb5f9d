use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};
use agentmail_receive::Refusal;

use crate::{Delivery, WebhookRejection};

impl FromRequest for Delivery {
    type Error = WebhookRejection;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let delivery = request.extensions().get::<Self>().cloned();
        ready(delivery.ok_or_else(|| Refusal::MissingLayer.into()))
    }
}
