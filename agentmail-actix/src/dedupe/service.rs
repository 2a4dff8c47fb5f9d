use std::{panic::resume_unwind, pin::Pin, rc::Rc};

use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, forward_ready},
    rt,
};
use agentmail_receive::{Dedupe, Refusal};
use tracing::Instrument;

use crate::{Delivery, WebhookRejection};

/// The service that [`DedupeWebhook`](super::DedupeWebhook) puts between
/// [`Verify`](crate::middleware::Verify) and the inner service: it claims the message of the delivery
/// that it finds in the request.
#[derive(Debug)]
pub struct Once<S> {
    inner: Rc<S>,
    dedupe: Dedupe,
}

impl<S> Once<S> {
    pub(super) fn new(inner: S, dedupe: Dedupe) -> Self {
        Self { inner: Rc::new(inner), dedupe }
    }
}

impl<S, B> Service<ServiceRequest> for Once<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let task = handle_once(Rc::clone(&self.inner), self.dedupe.clone(), request);
        let task = rt::spawn(task.in_current_span());
        Box::pin(async {
            match task.await {
                Ok(answer) => answer,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    // The worker is shutting down.
                    Err(_) => Err(WebhookRejection::from(Refusal::StoreUnavailable).into()),
                },
            }
        })
    }
}

async fn handle_once<S, B>(
    inner: Rc<S>,
    dedupe: Dedupe,
    request: ServiceRequest,
) -> Result<ServiceResponse<EitherBody<B>>, Error>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let delivery = request.extensions().get::<Delivery>().cloned();
    let claim = match delivery {
        Some(delivery) => dedupe.claim(&delivery.0).await.map_err(WebhookRejection::from),
        None => Err(Refusal::MissingLayer.into()),
    };
    let claim = match claim {
        Ok(claim) => claim,
        Err(rejection) => return Ok(request.error_response(rejection).map_into_right_body()),
    };
    let answer = inner.call(request).await;
    claim.end(answer.as_ref().is_ok_and(|response| response.status().is_success())).await;
    answer.map(ServiceResponse::map_into_left_body)
}
