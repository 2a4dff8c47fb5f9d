use std::rc::Rc;

use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, forward_ready},
    rt,
};
use agentmail_receive::dedupe::Dedupe as Handle;
use tracing::Instrument;

use super::future::ResponseFuture;
use crate::{delivery::Delivery, rejection::WebhookRejection};

/// The service of [`DedupeWebhook`](super::DedupeWebhook). It claims the message of the request's
/// [`Delivery`](crate::Delivery), then calls the inner service.
#[derive(Debug)]
pub struct Dedupe<S> {
    inner: Rc<S>,
    handle: Handle,
}

impl<S> Dedupe<S> {
    pub(super) fn new(inner: S, handle: Handle) -> Self {
        Self { inner: Rc::new(inner), handle }
    }

    /// Returns a reference to the inner service.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, B> Service<ServiceRequest> for Dedupe<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = ResponseFuture<B>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let task = handle_once(Rc::clone(&self.inner), self.handle.clone(), request);
        ResponseFuture::new(rt::spawn(task.in_current_span()))
    }
}

async fn handle_once<S, B>(
    inner: Rc<S>,
    handle: Handle,
    request: ServiceRequest,
) -> Result<ServiceResponse<EitherBody<B>>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let delivery = request.extensions().get::<Delivery>().cloned();
    let claim = match delivery {
        Some(delivery) => handle.claim(&delivery).await.map_err(WebhookRejection::logged),
        None => Err(WebhookRejection::missing_layer(request.path())),
    };
    let claim = match claim {
        Ok(claim) => claim,
        Err(rejection) => return Ok(request.error_response(rejection).map_into_right_body()),
    };
    let response = inner.call(request).await;
    if response.as_ref().is_ok_and(|response| response.status().is_success()) {
        claim.complete_in_background().await;
    } else {
        claim.release().await;
    }
    response.map(ServiceResponse::map_into_left_body)
}
